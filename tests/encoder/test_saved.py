"""Saved encoders load unchanged or are refused with the damaged file's name."""

import json
import os
import random
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import TEXTS, CapitalizedWords

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder import Calibration, ProjectionHead, SpanHead, saved
from ner_retriever_rag.encoder.prototypes import Prototypes

FORMAT_1 = Path(__file__).parent / "format-1"  # saved by version 0.1
LAYER = "encoder.layer.1.output.dense"


def head(seed=0):
    torch.manual_seed(seed)
    return ProjectionHead((64, 16, 8)).eval()


@pytest.fixture(scope="module")
def deltas(tmp_path_factory):
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("deltas") / "deltas.safetensors"
    weights = {f"{LAYER}.lora_A": torch.randn(2, 64), f"{LAYER}.lora_B": torch.randn(32, 2)}
    save_file(weights, path)
    return path


@pytest.fixture(scope="module")
def full_encoder(tiny_checkpoint, deltas):
    """An encoder with every optional part."""
    torch.manual_seed(2)
    background = np.random.default_rng(0).normal(size=(20, 8))
    return TypeAwareEncoder(
        tiny_checkpoint,
        "value@1+hidden@3",
        pooling="last",
        head=head(),
        window=48,
        type_template="a {}",
        adaptation=deltas,
        detector=SpanHead(["hidden@2"], 32, hidden=16, threshold=0.3),
        calibration=Calibration(background, (5.0, 0.1), (0.1, 0.2, 0.3, 0.4, -2.0)),
        prototypes=Prototypes(background),
    )


@pytest.fixture
def folder(full_encoder, tmp_path):
    full_encoder.save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def files(folder):
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def assert_same_outputs(one, other):
    types = ["river", "capital"]
    assert one.fingerprint == other.fingerprint
    np.testing.assert_array_equal(one.encode_types(types), other.encode_types(types))
    for ours, theirs in zip(one.encode(TEXTS), other.encode(TEXTS), strict=True):
        assert [m.text for m in ours.mentions] == [m.text for m in theirs.mentions]


def test_config_lists_the_parts_with_their_digests(folder):
    parts = json.loads((folder / "config.json").read_text())["parts"]
    assert {*parts, "config.json"} == files(folder).keys()
    assert all(len(digest) == 64 for digest in parts.values())


def test_saving_over_an_older_encoder_removes_its_parts(folder, tiny_checkpoint):
    (folder / "notes.txt").write_text("the user's own")
    bare = TypeAwareEncoder(tiny_checkpoint, "hidden@2", detector=CapitalizedWords())
    bare.save_pretrained(folder)
    assert files(folder).keys() == {"config.json", "notes.txt"}
    again = TypeAwareEncoder.from_pretrained(folder, detector=CapitalizedWords())
    assert again.head is None and again.calibration is None
    assert_same_outputs(again, bare)


def test_saving_over_itself(full_encoder, folder):
    before = files(folder)
    TypeAwareEncoder.from_pretrained(folder).save_pretrained(folder)
    assert files(folder).keys() == before.keys()
    assert_same_outputs(TypeAwareEncoder.from_pretrained(folder), full_encoder)


@pytest.mark.parametrize(
    "name", ["adaptation.safetensors", "detector.safetensors", "head.json", "calibration.json"]
)
def test_a_missing_part_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ValueError, match=rf"{name} is missing"):
        TypeAwareEncoder.from_pretrained(folder)


@pytest.mark.parametrize("part", ["adaptation", "detector", "head", "background"])
@pytest.mark.parametrize("damage", ["zeroed", "truncated"])
def test_damaged_part_is_named(folder, part, damage):
    path = folder / f"{part}.safetensors"
    if damage == "zeroed":
        save_file({key: value * 0 for key, value in load_file(path).items()}, path)
    else:
        path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=rf"{part}\.safetensors is not the file that was saved"):
        TypeAwareEncoder.from_pretrained(folder)


@pytest.mark.parametrize("text", ["", '{"format": 2, "back', "[1]"])
def test_a_damaged_configuration_is_named(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json is damaged"):
        TypeAwareEncoder.from_pretrained(folder)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("taps", None, "'taps' must be a string such as"),
        ("window", "48", "'window' must be a whole number or null, not '48'"),
        ("window", True, "'window' must be a whole number"),
        ("backbone", "bert", "'backbone' must be an object"),
        ("backbone", {}, "'backbone' must have a 'name'"),
        ("parts", ["head.safetensors"], "'parts' must be an object"),
        ("parts", {"head.safetensors": 3}, "the digest of the part 'head.safetensors'"),
        ("pooling", ..., "'pooling' is missing"),
    ],
)
def test_invalid_configuration_value_is_named(folder, key, value, message):
    config = json.loads((folder / "config.json").read_text())
    config[key] = value
    if value is ...:
        del config[key]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=f"config.json: {message}"):
        TypeAwareEncoder.from_pretrained(folder)


def test_changed_configuration_is_refused(folder, full_encoder):
    """For example by a flipped bit; to change it on purpose, remove the digest."""
    config = json.loads((folder / "config.json").read_text())
    config["type_template"] = "the {}"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"config\.json is not as it was.*take 'digest' out"):
        TypeAwareEncoder.from_pretrained(folder)
    del config["digest"]
    (folder / "config.json").write_text(json.dumps(config))
    assert TypeAwareEncoder.from_pretrained(folder).type_template == "the {}"


@pytest.mark.parametrize("seed", range(int(os.environ.get("NER_DAMAGES", "12"))))
def test_random_damage_is_named_or_harmless(full_encoder, folder, seed):
    chance = random.Random(seed)
    file = chance.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    content = bytearray(file.read_bytes())
    place = chance.randrange(len(content))
    match chance.choice(["flip", "cut", "zero", "gone"]):
        case "flip":
            content[place] ^= 1 << chance.randrange(8)
        case "cut":
            del content[place:]
        case "zero":
            content[place : place + 16] = bytes(len(content[place : place + 16]))
        case "gone":
            file.unlink()
    if file.exists():
        file.write_bytes(content)
    try:
        found = TypeAwareEncoder.from_pretrained(folder)
    except (ValueError, FileNotFoundError) as error:
        assert file.name in str(error)
    else:
        assert_same_outputs(found, full_encoder)


def test_parts_outside_the_folder_are_refused(folder, full_encoder):
    config = json.loads((folder / "config.json").read_text())
    other = folder.parent / "other"
    other.write_text("not ours")
    config["parts"]["../other"] = "0" * 64
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="outside"):
        TypeAwareEncoder.from_pretrained(folder)
    full_encoder.save_pretrained(folder)
    assert other.exists()


def test_files_not_listed_in_the_configuration_are_ignored(tiny_checkpoint, tmp_path, deltas):
    bare = TypeAwareEncoder(tiny_checkpoint, "hidden@2", detector=CapitalizedWords())
    bare.save_pretrained(tmp_path)
    (tmp_path / "adaptation.safetensors").write_bytes(deltas.read_bytes())
    assert_same_outputs(
        TypeAwareEncoder.from_pretrained(tmp_path, detector=CapitalizedWords()), bare
    )


def test_saving_into_a_model_folder_is_refused(full_encoder, tiny_checkpoint):
    before = files(tiny_checkpoint)
    with pytest.raises(ValueError, match="belongs to something else"):
        full_encoder.save_pretrained(tiny_checkpoint)
    assert files(tiny_checkpoint) == before


def test_interrupted_write_keeps_the_old_encoder(full_encoder, folder, monkeypatch):
    before = files(folder)
    monkeypatch.setattr(Calibration, "save", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        full_encoder.save_pretrained(folder)
    assert files(folder) == before


@pytest.mark.parametrize("moves", [0, 1, 3])
def test_interruption_between_two_files_is_detected_and_named(
    full_encoder, folder, tiny_checkpoint, monkeypatch, moves
):
    other = TypeAwareEncoder(
        tiny_checkpoint, "hidden@3", head=ProjectionHead((32, 8)), detector=full_encoder.detector,
        calibration=full_encoder.calibration,
    )  # fmt: skip
    full_encoder.detector.threshold = 0.4
    left = moves

    def replace(source, target):
        nonlocal left
        if not left:
            raise OSError("out of power")
        left -= 1
        os.rename(source, target)

    monkeypatch.setattr(saved.os, "replace", replace)
    with pytest.raises(OSError, match="out of power"):
        other.save_pretrained(folder)
    full_encoder.detector.threshold = 0.3
    if moves < 2:  # the calibration's two files are moved first and did not change
        assert_same_outputs(TypeAwareEncoder.from_pretrained(folder), full_encoder)
    else:
        with pytest.raises(ValueError, match=r"detector\.json is not the file that was saved"):
            TypeAwareEncoder.from_pretrained(folder)
    monkeypatch.undo()
    other.save_pretrained(folder)
    assert_same_outputs(TypeAwareEncoder.from_pretrained(folder), other)


def test_added_part_belongs_to_the_encoder(folder, full_encoder):
    calibration = Calibration(full_encoder.calibration.background, (9.0, 0.1), (0.0,) * 5)
    saved.add_part(folder, calibration)
    again = TypeAwareEncoder.from_pretrained(folder)
    assert again.calibration.slopes == (9.0, 0.1)
    assert_same_outputs(again, full_encoder)


def test_part_added_to_a_plain_folder_is_only_written(tmp_path):
    saved.add_part(tmp_path, head())
    assert files(tmp_path).keys() == {"head.safetensors", "head.json"}


@pytest.fixture
def format_1_folder(tmp_path):
    """An encoder saved by version 0.1, with its backbone next to it."""
    return copytree(FORMAT_1, tmp_path / "older")


def test_format_1_encoders_load(format_1_folder):
    expected = json.loads((format_1_folder / "expected.json").read_text())
    encoder = TypeAwareEncoder.from_pretrained(
        format_1_folder / "encoder", backbone=format_1_folder / "backbone"
    )
    encoded = encoder.encode(TEXTS)
    spans = [[[m.start, m.end] for m in one.mentions] for one in encoded]
    assert spans == expected["mentions"]
    for one, vectors in zip(encoded, expected["vectors"], strict=False):
        np.testing.assert_allclose(one.vectors, vectors, atol=1e-5)
    types = encoder.encode_types(["river", "city"])
    np.testing.assert_allclose(types, expected["types"], atol=1e-5)
    scores = encoder.score(types[0], np.array([0.1, 0.9], dtype=np.float32))
    np.testing.assert_allclose(scores, expected["scores"], atol=1e-4)


def test_earlier_fingerprints_are_understood(format_1_folder, tiny_encoder):
    expected = json.loads((format_1_folder / "expected.json").read_text())
    encoder = TypeAwareEncoder.from_pretrained(
        format_1_folder / "encoder", backbone=format_1_folder / "backbone"
    )
    for earlier in expected["fingerprints"].values():
        assert encoder.understands(earlier) and not tiny_encoder.understands(earlier)
    assert encoder.understands(encoder.fingerprint)
    assert encoder.fingerprint not in expected["fingerprints"].values()


@pytest.mark.parametrize("name", ["head.safetensors", "detector.json", "adaptation.safetensors"])
def test_truncated_parts_of_format_1_are_named(format_1_folder, name):
    path = format_1_folder / "encoder" / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=rf"{name} is damaged"):
        TypeAwareEncoder.from_pretrained(
            format_1_folder / "encoder", backbone=format_1_folder / "backbone"
        )


def test_format_1_becomes_format_2_when_a_part_is_added(format_1_folder, full_encoder):
    saved.add_part(format_1_folder / "encoder", full_encoder.calibration)
    config = json.loads((format_1_folder / "encoder" / "config.json").read_text())
    assert config["format"] == 2 and all(config["parts"].values())
    assert {*config["parts"], "config.json"} == files(format_1_folder / "encoder").keys()
    TypeAwareEncoder.from_pretrained(
        format_1_folder / "encoder", backbone=format_1_folder / "backbone"
    ).encode(TEXTS)
