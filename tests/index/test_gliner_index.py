"""An index of a GLiNER bi-encoder's vectors returns the scores of GLiNER's own package."""

import random
import re
from pathlib import Path

import numpy as np
import pytest
from chroma_server import ChromaServer
from engine_index import engine_index
from tiny import TEXTS, CapitalizedWords
from tiny_gliner import save_gliner
from typer.testing import CliRunner

from ner_retriever_rag import AllOf, AnyOf, Document, EntityIndex, Like, Not, TypeAwareEncoder
from ner_retriever_rag.cli import app
from ner_retriever_rag.langchain import EntityTypeFilter
from ner_retriever_rag.search import engine_search

gliner = pytest.importorskip("gliner", reason="needs the extra [gliner-bi]")

WORDS = sorted({word for text in TEXTS[:4] for word in re.findall(r"\w+", text)})
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_gliner(tmp_path_factory.mktemp("gliner") / "bi")


@pytest.fixture(scope="module")
def encoder(folder):
    return TypeAwareEncoder.from_gliner(folder, detector=CapitalizedWords(), batch_size=64)


def random_inputs(texts, labels):
    """Return texts of random words, two spans of each, and labels; as many as asked for."""
    draw = random.Random(3)
    documents, spans = [], []
    for number in range(texts):
        words = [draw.choice(WORDS) for _ in range(6)]
        starts = [sum(len(each) + 1 for each in words[:n]) for n in range(6)]
        documents.append(Document(" ".join(words), id=f"{number:04}"))
        ends = [start + len(word) for start, word in zip(starts, words, strict=True)]
        spans.append([(starts[0], ends[1]), (starts[4], ends[4])])
    return documents, spans, [f"{draw.choice(WORDS)} {n}" for n in range(labels)]


def reference_scores(folder, documents, spans, labels):
    model = gliner.GLiNER.from_pretrained(str(folder))
    rows = model.inference(
        [each.text for each in documents],
        labels,
        flat_ner=False,
        threshold=0.0,
        multi_label=True,
        batch_size=64,
        input_spans=[[{"start": s, "end": e} for s, e in own] for own in spans],
    )
    return {
        (document.id, row["start"], row["end"], row["label"]): row["score"]
        for document, own in zip(documents, rows, strict=True)
        for row in own
    }


def index_scores(index, labels):
    rows = index.extract(labels, score_threshold=0.0, all_types=True, overlapping=True)
    return {(row.doc_id, row.start, row.end, row.type): row.score for row in rows}


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    ours, theirs = (np.array([some[key] for key in sorted(theirs)]) for some in (ours, theirs))
    assert np.abs(ours - theirs).max() <= TOLERANCE
    assert theirs.std() > 0.05


@pytest.mark.slow
def test_scores_for_a_thousand_texts_and_a_hundred_labels(folder, encoder, tmp_path):
    documents, spans, labels = random_inputs(1_000, 100)
    theirs = reference_scores(folder, documents, spans, labels)
    assert len(theirs) == 200_000
    with EntityIndex(tmp_path / "index", encoder=encoder) as index:
        index.add(documents, spans=spans)
        assert_same(index_scores(index, labels), theirs)
    again = TypeAwareEncoder.from_gliner(folder, detector=CapitalizedWords())
    with EntityIndex.open(tmp_path / "index", encoder=again) as index:
        assert_same(index_scores(index, labels), theirs)
    with ChromaServer(tmp_path / "server") as server:
        server.client()
        EntityIndex(server.address, encoder=encoder).add(documents, spans=spans)
        assert_same(index_scores(EntityIndex.open(server.address, encoder=again), labels), theirs)


@pytest.fixture(scope="module")
def small_index(folder, encoder):
    documents, spans, labels = random_inputs(12, 3)
    index = EntityIndex(encoder=encoder)
    index.add(documents, spans=spans)
    return index, documents, labels, reference_scores(folder, documents, spans, labels)


def test_every_search_method_returns_the_models_own_score(small_index):
    index, documents, labels, theirs = small_index
    label = labels[0]
    best = max(score for (*_, asked), score in theirs.items() if asked == label)
    found = index.search(label, k=3)
    assert found[0].score == pytest.approx(best, abs=TOLERANCE)
    for each in index.search_mentions(label, k=None, score_threshold=0.0):
        key = (each.doc_id, each.start, each.end, label)
        assert each.score == pytest.approx(theirs[key], abs=TOLERANCE)
        assert 1 / (1 + np.exp(-each.similarity)) == pytest.approx(each.score, abs=TOLERANCE)
    assert index.search(label, k=3, sharpen=False) == found
    assert index.search(label, k=3, exact=True) == found
    (entity, *_) = index.entities(label, k=1)
    assert 0 < entity.score <= 1
    either = index.search(AnyOf(*labels), k=1)[0]
    assert either.score == pytest.approx(max(theirs.values()), abs=TOLERANCE)
    both = index.search(AllOf(labels[0], Not(labels[1])), k=1)[0]
    assert 0 <= both.score <= 1
    assert index.facets(n=3, least_score=0.01)


def test_entity_type_filter_returns_the_models_own_score(small_index, encoder):
    from langchain_core.documents import Document as LangChainDocument

    index, documents, labels, _ = small_index
    keep = EntityTypeFilter(entity_type=labels[0], threshold=0.0, encoder=encoder)
    texts = [LangChainDocument(page_content="Oslo lies on the Oslofjord", id="oslo")]
    (kept,) = keep.compress_documents(texts, "anything")
    alone = EntityIndex(encoder=encoder)
    alone.add([Document(texts[0].page_content, id="oslo")])
    (found,) = alone.search(labels[0], k=1)
    assert kept.metadata["score"] == pytest.approx(found.score, abs=TOLERANCE)


def test_candidates_from_chroma_have_the_models_own_scores(folder, encoder, monkeypatch):
    # As for an index that is too large to be read completely.
    monkeypatch.setattr(engine_search, "MAX_LOCAL_MENTIONS", 10)
    documents, spans, labels = random_inputs(40, 3)
    theirs = reference_scores(folder, documents, spans, labels)
    index = engine_index(encoder)
    index.add(documents, spans=spans)
    assert_same(index_scores(index, labels), theirs)
    for label in labels:
        best = sorted(score for (*_, asked), score in theirs.items() if asked == label)[-5:]
        found = index.search_mentions(label, k=5, score_threshold=0.0)
        assert [each.score for each in reversed(found)] == pytest.approx(best, abs=TOLERANCE)


def test_queries_that_gliner_vectors_cannot_answer_are_rejected(small_index):
    index, _, labels, _ = small_index
    with pytest.raises(ValueError, match=r"Like.*inner product"):
        index.search(Like("Oslo"))
    with pytest.raises(ValueError, match="no text vectors"):
        index.search(labels[0], about="in Norway")


def test_another_encoder_is_rejected(encoder, tmp_path, tiny_encoder):
    with EntityIndex(tmp_path / "index", encoder=encoder) as index:
        index.add(["Oslo is a city"])
    with pytest.raises(ValueError, match="GLiNER bi-encoder"):
        EntityIndex(tmp_path / "index", encoder=tiny_encoder)


PAGE = Path(__file__).parents[2] / "docs" / "gliner.md"


@pytest.mark.slow
def test_code_of_the_docs_page_runs_with_another_model(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    names = {}
    for code in re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S):
        exec(re.sub(r'(?m)^MODEL = "[^"]*"', f"MODEL = {str(folder)!r}", code), names)
    printed = capsys.readouterr().out
    assert "Nile" in printed and "True" in printed
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (PAGE.parent / link).exists(), link


def test_saved_encoder_works_on_the_command_line(encoder, tmp_path):
    encoder.save_pretrained(tmp_path / "gliner")
    (tmp_path / "a.txt").write_text("Oslo is the capital of Norway")
    place, encoded = str(tmp_path / "index"), ["--encoder", str(tmp_path / "gliner")]
    made = CliRunner().invoke(app, ["index", str(tmp_path / "a.txt"), "--index", place, *encoded])
    assert made.exit_code == 0, made.output
    found = CliRunner().invoke(app, ["search", place, "city", "--json", *encoded])
    assert found.exit_code == 0 and "Oslo" in found.output, found.output
