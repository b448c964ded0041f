import json
from hashlib import blake2b

import numpy as np
import pytest

from ner_retriever_rag.encoder.names import KnownNames, NameTable, name_key
from ner_retriever_rag.encoder.user_names import read_names

DIM = 16


def encode(phrases):
    """A unit vector for each phrase, the same in every call."""
    seeds = [int.from_bytes(blake2b(p.encode(), digest_size=4).digest()) for p in phrases]
    rows = [np.random.default_rng(seed).normal(size=DIM) for seed in seeds]
    return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)


@pytest.fixture
def known():
    names = {
        "Mercury": ["planet", "chemical element"],
        "The Beatles": ["band"],
        "beatles'": ["rock band"],
    }
    return KnownNames(NameTable.build(names, encode))


def near(phrase, towards=0.6, seed=0):
    """A unit vector whose cosine to a phrase's is ``towards``."""
    target = encode([phrase])[0]
    other = np.random.default_rng(seed).normal(size=DIM)
    other -= (other @ target) * target
    other /= np.linalg.norm(other)
    return (towards * target + np.sqrt(1 - towards**2) * other).astype(np.float32)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Beatles’", "beatles"),
        ("U.S.", "US"),
        ("Zürich", "Zurich"),
        ("Spider-Man", "spider man"),
        ("O'Neil", "O’Neil"),
        ("A Hard Day's Night", "Hard Days Night"),
    ],
)
def test_spellings_of_one_name_share_a_key(one, other):
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("C", "C++"), ("A-ha", "Ha"), ("!!!", "..."), ("A", "")]
)
def test_different_names_have_different_keys(one, other):
    assert name_key(one) != name_key(other)


def test_context_disambiguates_homonyms(known):
    for phrase, other in (("planet", "chemical element"), ("chemical element", "planet")):
        vector = near(phrase)
        [blended] = known.blend(["Mercury"], vector[None])
        moved = vector + known.weight * encode([phrase])[0]
        assert blended == pytest.approx(moved / np.linalg.norm(moved), abs=0.01)
        assert blended @ encode([other])[0] < blended @ encode([phrase])[0]


def test_name_that_contradicts_the_context_changes_nothing(known):
    vector = near("planet", -0.9)
    vector = vector if vector @ encode(["chemical element"])[0] < known.threshold else -vector
    vectors = vector[None]
    assert (encode(["planet", "chemical element"]) @ vector < known.threshold).all()
    assert known.blend(["Mercury"], vectors).tobytes() == vectors.tobytes()


def test_unknown_names_keep_their_vectors_bit_for_bit(known):
    vectors = np.stack([near("band", seed=seed) for seed in range(4)])
    before = vectors.copy()
    words = ["Ulvgard", "Beatles", "Mercury Records", "the beatles"]
    blended = known.blend(words, vectors)
    assert known.knows(words).tolist() == [False, True, False, True]
    assert blended[[0, 2]].tobytes() == before[[0, 2]].tobytes()
    assert (blended[[1, 3]] != before[[1, 3]]).any(axis=1).all()
    assert vectors.tobytes() == before.tobytes()
    assert known.blend([], vectors[:0]).shape == (0, DIM)


def test_blending_does_not_depend_on_the_batch(known):
    words = ["Mercury", "x", "The Beatles", "Mercury"]
    vectors = np.stack([near(p) for p in ("planet", "band", "rock band", "chemical element")])
    together = known.blend(words, vectors)
    for i, word in enumerate(words):
        assert known.blend([word], vectors[i : i + 1]).tobytes() == together[i].tobytes()


def test_spellings_of_one_name_are_one_entry(known):
    assert len(known) == 2
    for phrase in ("band", "rock band"):
        vector = near(phrase)[None]
        assert (
            known.blend(["Beatles"], vector) @ encode([phrase]).T > vector @ encode([phrase]).T
        ).all()


def test_learned_names_take_precedence_and_are_saved(known, tmp_path):
    taught = known.learn({"Mercury": ["record label"]}, encode)
    label, planet = encode(["record label"]).T, near("planet")[None]
    assert taught.blend(["mercury"], planet) @ label > planet @ label + 0.1  # whatever the context
    assert taught.blend(["mercury"], -planet) @ label > -planet @ label + 0.1
    assert taught.blend(["Beatles"], planet).tobytes() == known.blend(["Beatles"], planet).tobytes()
    assert (known.blend(["Mercury"], planet) != planet).any()  # the original is unchanged
    more = taught.learn({"Ulvgard": ["band"]}, encode)
    assert more.learned == {"Mercury": ["record label"], "Ulvgard": ["band"]}
    assert len({known.digest, taught.digest, more.digest}) == 3
    more.save(tmp_path)
    loaded = KnownNames.load(tmp_path)
    assert loaded.digest == more.digest and loaded.learned == more.learned
    assert loaded.blend(["Mercury"], planet).tobytes() == more.blend(["Mercury"], planet).tobytes()


def test_learned_names_without_a_table(tmp_path):
    taught = KnownNames().learn({"Haloperidol": ["antipsychotic drug"]}, encode)
    taught.save(tmp_path)
    vectors = near("antipsychotic drug")[None]
    assert (KnownNames.load(tmp_path).blend(["haloperidol"], vectors) != vectors).any()
    assert KnownNames().blend(["haloperidol"], vectors).tobytes() == vectors.tobytes()


def test_names_are_read_from_files(tmp_path):
    names = {"Haloperidol": ["antipsychotic drug"], "東京": ["city", "capital"]}
    one, lines = tmp_path / "names.json", tmp_path / "names.jsonl"
    one.write_text(json.dumps(names))
    lines.write_text("".join(json.dumps({"name": n, "types": t}) + "\n" for n, t in names.items()))
    assert read_names(one) == read_names(lines) == names
    for path, text in ((one, "[1"), (one, '["x"]'), (lines, '{"name": "x"}')):
        path.write_text(text)
        with pytest.raises(ValueError, match=path.name):
            read_names(path)


@pytest.mark.parametrize("names", [{"x": []}, {"": ["y"]}, {"x": [" "]}])
def test_empty_names_are_refused(known, names):
    with pytest.raises(ValueError, match="empty"):
        known.learn(names, encode)


@pytest.mark.parametrize("names", [{}, ["x"], {"x": "y"}, {"x": [1]}, {1: ["y"]}])
def test_names_of_a_wrong_type_are_refused(known, names):
    with pytest.raises(TypeError, match="types|mapping"):
        known.learn(names, encode)


def test_names_follow_a_map_of_the_vector_space(known):
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(DIM, DIM)))[0].astype(np.float32)
    known = known.learn({"Mercury probe": ["space probe"]}, encode)
    vectors = np.stack([near("planet"), near("band"), near("space probe"), near("river")])
    words = ["Mercury", "Beatles", "mercury probe", "Nile"]
    moved = known.moved(lambda old: old @ turn)
    there = moved.blend(words, vectors @ turn)
    np.testing.assert_allclose(there, known.blend(words, vectors) @ turn, atol=0.01)
    assert moved.learned == known.learned and len(moved) == len(known)
    assert moved.digest != known.digest
