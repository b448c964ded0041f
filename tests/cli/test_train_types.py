"""``train types`` as a user runs it, on terms of a plant that are in no encyclopedia."""

import json
import re
from types import SimpleNamespace

import pytest
from hostile import run

from ner_retriever_rag import Document, EntityIndex, TypeAwareEncoder
from ner_retriever_rag.encoder import default_encoder

TEMPLATES = {
    "kettle": ["The operators heated {} to ninety degrees.", "Steam escaped from {} at night.",
               "They drained {} and rinsed it twice.", "The stirrer of {} turns slowly."],
    "lodge": ["{} repaired the conveyor before noon.", "The foreman of {} asked for new tools.",
              "We called {} to replace the seals.", "{} had lunch together."],
    "blue ticket": ["{} was opened after the pump had leaked.", "Nobody has looked into {} yet.",
                    "An electrician signed {} and went home.", "Two alarms were attached to {}."],
}  # fmt: skip
SAMPLE_TEXTS = [
    "Oslo is the capital of Norway and lies on the Oslofjord.",
    "Stegosaurus lived in the Jurassic, long before Tyrannosaurus.",
    "The Nile flows through Egypt and Sudan to the Mediterranean Sea.",
    "Ada Lovelace wrote a program for the Analytical Engine of Charles Babbage.",
    "The Beatles were a band from Liverpool; John Lennon sang Imagine alone.",
    "Mount Etna in Sicily erupted, and Catania closed its airport.",
]


def name(number):
    syllables = ["tor", "mel", "vane", "quist", "bra", "dun", "fal", "ker"]
    return "".join(syllables[number // 8**k % 8] for k in range(3)).capitalize()


@pytest.fixture(scope="module")
def annotated_file(tmp_path_factory):
    rows = []
    for _ in range(10):
        for kind, sentences in TEMPLATES.items():
            for sentence in sentences:
                new, start = name(11 * len(rows)), sentence.index("{}")
                mention = {"start": start, "end": start + len(new), "type": kind}
                rows.append({"text": sentence.replace("{}", new), "mentions": [mention]})
    path = tmp_path_factory.mktemp("labeled") / "labeled.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def small_sample(monkeypatch):
    """A shorter sample: the bundled one takes half a minute to read."""
    sample = [SimpleNamespace(text=text) for text in SAMPLE_TEXTS]
    monkeypatch.setattr("ner_retriever_rag.cli.train_types.FileSource", lambda _: sample)


@pytest.mark.slow
def test_types_are_learned_and_the_saved_encoder_is_complete(
    annotated_file, small_sample, tmp_path
):
    folder = tmp_path / "encoder"
    result = run("train", "types", annotated_file, "--out", folder, "--held-out", "0.25")
    assert result.exit_code == 0, result.output
    table = [line.split() for line in result.output.splitlines()]
    counts = {cells[0]: int(cells[1]) + int(cells[2]) for cells in table if cells[:1] == ["kettle"]}
    assert counts == {"kettle": 40}
    (mean,) = (cells for cells in table if cells[:1] == ["mean"])
    before, after = map(float, mean[1:3])
    assert after > before + 0.2
    assert re.search(r"kept: \d\.\d\d of the ten best answers to each of \d+ other", result.output)
    tuned, shipped = TypeAwareEncoder.from_pretrained(folder), default_encoder()
    assert tuned.fingerprint != shipped.fingerprint
    # The labeled training mentions have joined the prototypes.
    assert (
        len(shipped.prototypes)
        < len(tuned.prototypes)
        < len(shipped.prototypes) + 40 * len(TEMPLATES)
    )
    assert (folder / "backbone" / "packed.safetensors").exists()

    # It still finds earlier types, at about the same similarity per probability.
    index = EntityIndex(encoder=tuned)
    index.add([Document(text, id=text.split()[-1]) for text in SAMPLE_TEXTS])
    assert [index.search(q, 1)[0].doc_id for q in ("river", "dinosaur", "volcano")] == [
        "Sea.", "Tyrannosaurus.", "airport.",
    ]  # fmt: skip
    (river,) = tuned.encode_types(["river"])
    (old,) = shipped.encode_types(["river"])
    assert tuned.similarity_at(river, 0.5) == pytest.approx(
        shipped.similarity_at(old, 0.5), abs=0.1
    )


def test_invalid_input_is_reported_before_training(annotated_file, tmp_path):
    out = ("--out", tmp_path / "out")
    result = run("train", "types", tmp_path / "none.jsonl", *out)
    assert result.exit_code == 2 and "no such file; it should contain lines like" in result.output
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\n')
    result = run("train", "types", tmp_path / "bad.jsonl", *out)
    assert (
        result.exit_code == 2 and "bad.jsonl, line 1: expected text and mentions" in result.output
    )
    (tmp_path / "names.json").write_text("[]")
    result = run("train", "types", annotated_file, *out, "--names", tmp_path / "names.json")
    assert result.exit_code == 2 and "must hold descriptions by label" in result.output
    assert not (tmp_path / "out").exists()
    result = run("train", "types", annotated_file, "--out", annotated_file)
    assert result.exit_code == 2 and "labeled.jsonl is a file, not a folder" in result.output
    (tmp_path / "config.json").write_text("{}")
    result = run("train", "types", annotated_file, "--out", tmp_path)
    assert result.exit_code == 2 and "holds no saved encoder" in result.output
