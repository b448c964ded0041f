import numpy as np
import pytest

from ner_retriever_rag.encoder.calibration import Calibration, background_statistics
from ner_retriever_rag.training.calibrate import diverse, fit_calibration, label_types
from ner_retriever_rag.training.fit_calibration import (
    expected_calibration_error,
    fit_line,
    prior_weights,
)
from ner_retriever_rag.training.hierarchy import Hierarchy
from ner_retriever_rag.training.mined import MentionContext, MinedEntity

KINDS = [f"kind{letter}" for letter in "abcdefghijkl"]


@pytest.fixture(scope="module")
def corpus():
    """Mentions around a center for each type, and the types' own vectors at the centers."""
    generator = np.random.default_rng(0)
    centers = generator.normal(size=(len(KINDS), 16))
    of = np.arange(600) % len(KINDS)
    vectors = centers[of] + 0.9 * generator.normal(size=(600, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    types = centers / np.linalg.norm(centers, axis=1, keepdims=True)
    entities = [
        MinedEntity(str(i), (KINDS[k],), (MentionContext("x", 0, 1),)) for i, k in enumerate(of)
    ]
    return entities, vectors.astype(np.float32), types.astype(np.float32)


@pytest.fixture(scope="module")
def fitted(corpus):
    entities, vectors, types = corpus

    def encode(phrases):
        return types[[KINDS.index(p) for p in phrases]]

    return fit_calibration(
        entities, vectors, encode, Hierarchy({}, {}), set(KINDS[:6]), prior=0.08, background=200
    )


def test_probabilities_are_calibrated_on_unseen_types(fitted):
    _, report = fitted
    assert report.types == 6
    assert report.error < 0.12
    assert report.precision > 0.5


def test_added_mentions_are_not_used_as_negatives(corpus, fitted):
    entities, vectors, types = corpus
    # Mentions of an unseen type, added where another type is, would distort it as negatives.
    extra = [MinedEntity("x", (KINDS[0],), (MentionContext("x", 0, 1),))] * 300
    where = np.repeat(types[6:7], 300, axis=0)

    def fit(drawn):
        return fit_calibration(
            entities + extra,
            np.concatenate([vectors, where]),
            lambda phrases: types[[KINDS.index(p) for p in phrases]],
            Hierarchy({}, {}),
            set(KINDS[:6]),
            drawn=drawn,
            prior=0.08,
            background=200,
        )[0]

    near = np.array([0.6], dtype=np.float32)
    assert fit(600).probability(types[6], near) > fit(None).probability(types[6], near)
    assert np.isin(fit(600).background, fitted[0].background).all()


def test_probability_is_monotonic_and_can_be_inverted(fitted, corpus):
    calibration, _ = fitted
    for vector in corpus[2][:3]:
        cosines = np.linspace(-1, 1, 50, dtype=np.float32)
        probabilities = calibration.probability(vector, cosines)
        assert (np.diff(probabilities) >= 0).all() and 0 <= probabilities[0] < probabilities[
            -1
        ] <= 1
        at = calibration.similarity_at(vector, 0.5)
        assert calibration.probability(vector, np.array([at]))[0] == pytest.approx(0.5, abs=1e-3)
    assert calibration.similarity_at(vector, 0.0) == float("-inf")
    assert calibration.similarity_at(vector, 1.0) == float("inf")


def test_calibration_is_saved_and_loaded(fitted, corpus, tmp_path):
    calibration, _ = fitted
    calibration.save(tmp_path)
    again = Calibration.load(tmp_path)
    cosines = np.linspace(-1, 1, 9, dtype=np.float32)
    vector = corpus[2][0]
    assert np.allclose(
        calibration.probability(vector, cosines), again.probability(vector, cosines), atol=1e-3
    )


def test_a_higher_prior_gives_higher_probabilities(corpus):
    entities, vectors, types = corpus
    labels = [np.array([e.types[0] == kind for e in entities]) for kind in KINDS]
    cosines = [vectors @ t for t in types]
    low, high = (fit_line(vectors[:100], types, cosines, labels, prior=p) for p in (0.01, 0.3))
    assert low.probability(types[0], np.array([0.5])) < high.probability(types[0], np.array([0.5]))


def test_ambiguous_mentions_are_neither_members_nor_others():
    entities = [
        MinedEntity(str(i), (kind,), (MentionContext("x", 0, 1),))
        for i, kind in enumerate(["metal band", "jazz band", "ensemble", "river"] * 5)
    ]
    hierarchy = Hierarchy({}, {"ensemble": ["band"]})
    labelled = label_types(entities, hierarchy, held_out={"band"})
    row = labelled.phrases.index("metal band")
    assert labelled.unseen[row]
    assert labelled.members[row].tolist() == [0, 4, 8, 12, 16]
    assert labelled.others[row].tolist() == [3, 7, 11, 15, 19]


def test_calibration_error_and_background_statistics():
    labels = np.array([True, False, False, False])
    sure = np.array([0.95, 0.05, 0.05, 0.05], dtype=np.float32)
    error, curve = expected_calibration_error(sure, labels, prior_weights(labels, 0.25))
    assert error == pytest.approx(0.05)
    assert [share for *_, share in curve] == pytest.approx([0.75, 0.25])
    assert prior_weights(labels, 0.1).sum() == pytest.approx(1.0)
    mean, spread, tenth, peak = background_statistics(np.linspace(0, 1, 101))
    assert (mean, tenth, peak) == pytest.approx((0.5, 0.9, 1.0))
    assert spread > 0.2


def test_diverse_sample_includes_every_type():
    entities = [MinedEntity("x", ("village",), ())] * 50 + [MinedEntity("y", ("volcano",), ())]
    assert 50 in diverse(entities, 2, seed=0)


def test_invalid_input_is_rejected(corpus):
    with pytest.raises(ValueError, match="background"):
        Calibration(np.zeros(3), (1.0, 1.0), (0.0,) * 5)
    with pytest.raises(ValueError, match="slopes"):
        Calibration(np.zeros((3, 2)), (0.0, 1.0), (0.0,) * 5)
    with pytest.raises(ValueError, match="every type needs"):
        fit_line(corpus[1][:5], corpus[2][:1], [np.ones(3)], [np.ones(3, dtype=bool)])
