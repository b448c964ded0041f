"""Names as part of an encoder: in its vectors, its fingerprint and its saved folder."""

import json

import pytest

from ner_retriever_rag import EntityIndex, TypeAwareEncoder
from ner_retriever_rag.encoder.names import KnownNames, NameTable

TEXT = "Stegosaurus lived in the Jurassic, long before Tyrannosaurus."
DINOSAUR = {"Stegosaurus": ["armoured dinosaur"]}


@pytest.fixture
def make_encoder(tiny_checkpoint, tiny_encoder):
    """A function that makes encoders of one checkpoint that differ only in the given parts."""
    return lambda **parts: TypeAwareEncoder(
        tiny_checkpoint, "value@1+hidden@3", detector=tiny_encoder.detector, **parts
    )


def test_learned_names_only_move_their_mentions(make_encoder):
    encoder = make_encoder()
    [before], plain = encoder.encode([TEXT]), encoder.fingerprint
    encoder.learn_names(DINOSAUR)
    [after] = encoder.encode([TEXT])
    assert [m.text for m in after.mentions] == ["Stegosaurus", "Jurassic", "Tyrannosaurus"]
    [kind] = encoder.encode_types(["armoured dinosaur"])
    assert after.vectors[0] @ kind > before.vectors[0] @ kind
    assert after.vectors[1:].tobytes() == before.vectors[1:].tobytes()
    assert after.text_vector.tobytes() == before.text_vector.tobytes()
    assert encoder.fingerprint != plain == make_encoder().fingerprint


def test_names_are_saved_with_the_encoder(make_encoder, tmp_path):
    encoder = make_encoder()
    encoder.learn_names(DINOSAUR)
    encoder.save_pretrained(tmp_path / "one")
    loaded = TypeAwareEncoder.from_pretrained(tmp_path / "one", detector=encoder.detector)
    assert loaded.fingerprint == encoder.fingerprint
    [one], [other] = encoder.encode([TEXT]), loaded.encode([TEXT])
    assert one.vectors.tobytes() == other.vectors.tobytes()
    loaded.learn_names({"Tyrannosaurus": ["dinosaur"]})
    assert set(loaded.names.learned) == {"Stegosaurus", "Tyrannosaurus"}
    without = TypeAwareEncoder.from_pretrained(tmp_path / "one", names=False)
    assert without.names is None and without.fingerprint == make_encoder().fingerprint
    without.save_pretrained(tmp_path / "one")
    assert not list((tmp_path / "one").glob("names.*"))


def test_names_are_learned_from_a_file(make_encoder, tmp_path):
    path = tmp_path / "names.json"
    path.write_text(json.dumps(DINOSAUR))
    of_file, of_values = make_encoder(), make_encoder()
    of_file.learn_names(path)
    of_values.learn_names(DINOSAUR)
    assert of_file.fingerprint == of_values.fingerprint
    with pytest.raises(FileNotFoundError):
        of_file.learn_names(tmp_path / "none.json")


def test_a_table_of_names_is_part_of_the_encoder(make_encoder):
    table = NameTable.build({"Jurassic": ["geological period"]}, make_encoder().encode_types)
    encoder = make_encoder(names=KnownNames(table))
    assert encoder.fingerprint != make_encoder().fingerprint
    encoder.learn_names(DINOSAUR)
    assert encoder.names.knows(["Jurassic", "stegosaurus", "Oslo"]).tolist() == [True, True, False]


def test_index_refuses_an_encoder_that_has_learned_names_since(make_encoder, tmp_path):
    encoder = make_encoder()
    EntityIndex(path=tmp_path / "index", encoder=encoder).add([TEXT])
    encoder.learn_names(DINOSAUR)
    with pytest.raises(ValueError, match="encoder"):
        EntityIndex(path=tmp_path / "index", encoder=encoder)
