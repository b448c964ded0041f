"""Extracting rows of given types, by the index and on the command line."""

import csv
import itertools
import json
import re
from dataclasses import replace

import hashed
import numpy as np
import pytest
from typer.testing import CliRunner

from ner_retriever_rag import AnyOf, Document, EntityIndex, Like, Taxonomy
from ner_retriever_rag.cli import app
from ner_retriever_rag.search import aggregations

TYPES = ["river", "city", "reptile"]


def brute_force(encoder, encoded, threshold, all_types):
    vectors = encoder.encode_types(TYPES)
    rows = set()
    for doc_id, one in encoded.items():
        for mention, vector in zip(one.mentions, one.vectors, strict=True):
            scores = np.clip(vectors @ vector, 0, 1)
            for n in range(3) if all_types else [int(scores.argmax())]:
                if scores[n] >= threshold:
                    rows.add((TYPES[n], mention.text, doc_id, mention.start, mention.end))
    return rows


@pytest.mark.parametrize("all_types", [False, True])
def test_rows_equal_brute_force(all_types, index, encoded, tiny_encoder):
    threshold = 0.3001
    found = list(
        index.extract(TYPES, score_threshold=threshold, all_types=all_types, sharpen=False)
    )
    rows = [(m.type, m.text, m.doc_id, m.start, m.end) for m in found]
    assert len(set(rows)) == len(rows)
    assert set(rows) == brute_force(tiny_encoder, encoded, threshold, all_types)
    assert all(m.score >= threshold for m in found)
    ordered = [(doc_id, [m.start for m in g]) for doc_id, g in
               itertools.groupby(found, key=lambda m: m.doc_id)]  # fmt: skip
    assert len({doc_id for doc_id, _ in ordered}) == len(ordered)
    assert all(starts == sorted(starts) for _, starts in ordered)


def test_extract_with_a_filter_and_examples(index):
    odd = list(index.extract(["river", Like("Nile")], score_threshold=0, where={"half": 1}))
    assert {m.type for m in odd} <= {"river", "like Nile"}
    assert odd and all(int(m.doc_id[1:]) % 2 for m in odd)


def test_extract_is_lazy_and_reads_no_document(index, monkeypatch):
    monkeypatch.setattr(index._store, "fetch", lambda ids: pytest.fail("a document was read"))
    rows = index.extract(["river"], score_threshold=0)
    assert next(rows).text and next(rows).text


def test_best_of_overlapping_mentions_is_kept(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    index.add([Document("the Nile Delta", id="a")], spans=[[(4, 8), (4, 14), (9, 14)]])
    every = list(index.extract(["river"], score_threshold=0, overlapping=True))
    assert {m.text for m in every} == {"Nile", "Nile Delta", "Delta"}
    best = max(every, key=lambda m: m.score)
    kept = list(index.extract(["river"], score_threshold=0))
    assert best in kept
    for one, other in itertools.combinations(kept, 2):
        assert one.end <= other.start or other.end <= one.start


def test_score_equal_to_the_threshold_is_included(index):
    every = list(index.extract(["river"], score_threshold=0, overlapping=True))
    middle = sorted(m.score for m in every)[len(every) // 2]
    kept = index.extract(["river"], score_threshold=middle, overlapping=True)
    assert min(m.score for m in kept) == middle


class ConstantEncoder(hashed.HashedEncoder):
    """An encoder that gives every mention the same vector."""

    def encode(self, texts, spans=None):
        return [
            replace(one, vectors=np.repeat(hashed.vector("", 16)[None], len(one.mentions), axis=0))
            for one in super().encode(texts, spans)
        ]


def test_longest_of_overlapping_mentions_with_equal_scores_is_kept():
    index = EntityIndex(encoder=ConstantEncoder())
    index.add([Document("the Nile Delta", id="a")], spans=[[(4, 8), (4, 14), (9, 14)]])
    assert [m.text for m in index.extract(["river"], score_threshold=0)] == ["Nile Delta"]


@pytest.mark.parametrize("spans", [[(4, 8), (4, 14)], [(4, 14), (9, 14)]])
def test_worse_of_two_overlapping_mentions_is_left_out(tiny_encoder, spans):
    index = EntityIndex(encoder=tiny_encoder)
    index.add([Document("the Nile Delta", id="a")], spans=[spans])
    best, other = sorted(
        index.extract(["river"], score_threshold=0, overlapping=True), key=lambda m: -m.score
    )
    assert best.score > other.score
    assert list(index.extract(["river"], score_threshold=0)) == [best]


@pytest.mark.parametrize(
    ("types", "arguments", "error", "message"),
    [
        ([], {}, ValueError, "types is empty"),
        ("river", {}, TypeError, "types must be a list"),
        (["river", ""], {}, ValueError, "empty"),
        (["river", AnyOf("lake")], {}, TypeError, r"types\[1\] must be"),
        (["river"], {"score_threshold": 3}, ValueError, "score_threshold"),
    ],
)
def test_invalid_arguments_are_rejected_at_once(types, arguments, error, message, index):
    with pytest.raises(error, match=message):
        index.extract(types, **arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, shipped_encoder):
    folder = tmp_path_factory.mktemp("extract") / "index"
    index = EntityIndex(folder, encoder=shipped_encoder)
    index.add([Document("The Nile flows through Sudan.", id="a"),
               Document("Lake Victoria lies in Uganda, Kenya and Tanzania.", id="b")])  # fmt: skip
    return folder


def run(*arguments):
    return CliRunner().invoke(app, ["extract", *map(str, arguments)])


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_command_writes_files(ending, folder, tmp_path):
    out = tmp_path / f"rows.{ending}"
    options = ["--type", "river", "--type", "lake", "--threshold", 0.1]
    result = run(folder, *options, "--out", out)
    assert result.exit_code == 0, result.output
    if ending == "csv":
        rows = list(csv.DictReader(out.open(encoding="utf-8", newline="")))
    elif ending == "jsonl":
        rows = [json.loads(line) for line in out.open(encoding="utf-8")]
    else:
        rows = pytest.importorskip("pyarrow.parquet").read_table(out).to_pylist()
    assert {(r["type"], r["text"], r["doc_id"]) for r in rows} >= {("lake", "Lake Victoria", "b")}
    assert {r["type"] for r in rows} == {"river", "lake"}
    assert list(rows[0]) == ["type", "text", "doc_id", "start", "end", "score"]
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


def test_command_without_out_prints_json_lines(folder):
    result = run(folder, "--type", "lake", "--threshold", 0.1)
    rows = {row["text"]: row for row in map(json.loads, result.stdout.splitlines())}
    assert rows["Lake Victoria"]["score"] == max(row["score"] for row in rows.values())
    assert all(row["type"] == "lake" and row["score"] >= 0.1 for row in rows.values())


def test_command_rejects_outputs_it_cannot_write(folder, tmp_path):
    for out in ("rows.xlsx", tmp_path / "no" / "rows.csv"):
        result = run(folder, "--type", "lake", "--out", out)
        assert result.exit_code == 2 and "--out" in result.output
    assert run(folder).exit_code == 2


@pytest.mark.parametrize("all_types", [False, True])
@pytest.mark.parametrize("overlapping", [False, True])
def test_types_processed_a_few_at_a_time_give_the_same_rows(
    monkeypatch, all_types, overlapping, tiny_encoder
):
    texts = ["the old city of Oslo in Norway", "Ada Lovelace of London wrote it", "the Nile"]
    spans = [
        [(span.start(), other.end()) for span, other in itertools.combinations(words, 2)]
        for words in (list(re.finditer(r"\w+", text)) for text in texts)
    ]
    index = EntityIndex(encoder=tiny_encoder)
    index.add(texts, spans=spans)
    kinds = Taxonomy({each: ["thing"] for each in [*TYPES, "person", "river", "town"]})
    options = {"score_threshold": 0.2, "all_types": all_types, "overlapping": overlapping}
    at_once = list(index.extract(kinds, **options))
    assert len({row.type for row in at_once}) > 2
    for together in (1, 2, 4):
        monkeypatch.setattr(aggregations, "types_per_chunk", lambda _, n=together: n)
        in_parts = list(index.extract(kinds, **options))
        assert [replace(row, score=0, similarity=0) for row in in_parts] == [
            replace(row, score=0, similarity=0) for row in at_once
        ]
        # A matrix product of fewer rows is not the same to the last bit.
        scores, theirs = ([row.score for row in rows] for rows in (in_parts, at_once))
        assert scores == pytest.approx(theirs, abs=1e-5)
