"""A stub index of hostile documents, and a helper that runs the command line."""

from types import SimpleNamespace

from typer.testing import CliRunner

from ner_retriever_rag import Document, DocumentMatch, MentionMatch
from ner_retriever_rag.cli import app
from ner_retriever_rag.search.facets import Facet

HOSTILE_TEXT = "[/H] :smile: \x1b]0;title\x07 \x9b31m \u202e =1+1 [bold]é 東 🎉"


class Stub:
    """A stub index that returns hostile documents and records the arguments of a search."""

    def __init__(self, name=HOSTILE_TEXT):
        text = f"before {name}\nafter"
        self.mention = MentionMatch("=id", name, 7, 7 + len(name), 0.9, 0.5, "@type")
        self.documents = [
            DocumentMatch(Document(text, "=id", {"title": name}), 0.9, [self.mention])
        ]
        self.name = name

    def search(self, query, k, **options):
        self.asked = (query, k, options)
        return self.documents

    def facets(self, n, where, **options):
        return [Facet("@type", 1, 1, [self.name])]

    def extract(self, types, **options):
        return iter([self.mention])

    def entities(self, query, k, **options):
        self.asked = (query, k, options)
        names = [self.name, "+other"]
        return [
            SimpleNamespace(name=self.name, names=names, score=0.9, mentions=3, documents=["=id"])
        ]


def run(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments])
