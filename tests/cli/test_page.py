"""Texts and highlights of the web page, tested without the page."""

import pytest

from ner_retriever_rag import Document, DocumentMatch, MentionMatch
from ner_retriever_rag.cli.page import confident_matches, match_count_text


@pytest.mark.parametrize(
    ("matching", "said"),
    [
        (0, "No document matches."),
        (1, "1 document matches."),
        (20, "20 documents match."),
        (21, "21 documents match, the best 20 are below."),
        (1_000, "1,000 or more documents match, the best 20 are below."),
    ],
)
def test_match_count_message(matching, said):
    assert match_count_text(matching) == said


def match_of(*scores):
    matches = [MentionMatch("a", "Nile", 0, 4, score, score) for score in scores]
    return DocumentMatch(Document("Nile", "a"), max(scores, default=0.0), matches)


def test_likely_spans_are_highlighted_or_else_the_best():
    assert [each.score for each in confident_matches(match_of(0.9, 0.6, 0.3)).matches] == [0.9, 0.6]
    assert [each.score for each in confident_matches(match_of(0.4, 0.3)).matches] == [0.4]
    assert confident_matches(match_of()).matches == []
