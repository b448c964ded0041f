"""Vectors of a GLiNER bi-encoder, against the scores of its own package."""

import numpy as np
import pytest
from tiny import TEXTS, CapitalizedWords
from tiny_gliner import MAX_SPAN_WORDS, MAX_TEXT_WORDS, save_gliner

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder.word_windows import word_windows
from ner_retriever_rag.schema import Mention

pytest.importorskip("gliner", reason="needs the extra [gliner-bi]")

LABELS = ["river", "capital city", "person", "GPE", "Analytical Engine"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return save_gliner(tmp_path_factory.mktemp("gliner") / "bi")


@pytest.fixture(scope="session")
def reference_model(folder):
    from gliner import GLiNER

    return GLiNER.from_pretrained(str(folder))


@pytest.fixture(scope="session")
def encoder(folder):
    return TypeAwareEncoder.from_gliner(folder, detector=CapitalizedWords(), batch_size=3)


def scores(encoder, text, spans, labels):
    """Our scores, float32 ``(spans, labels)``."""
    (one,) = encoder.encode([text], spans=[spans])
    types = encoder.encode_types(labels)
    return np.stack([encoder.score(each, one.vectors @ each) for each in types], axis=1)


def reference_scores(model, text, spans, labels):
    """The scores of ``predict_entities``, in the same shape."""
    (rows,) = model.inference(
        [text],
        labels,
        flat_ner=False,
        threshold=0.0,
        multi_label=True,
        input_spans=[[{"start": start, "end": end} for start, end in spans]],
    )
    found = {((row["start"], row["end"]), row["label"]): row["score"] for row in rows}
    return np.array([[found[span, label] for label in labels] for span in spans])


def test_scores_match_predict_entities(encoder, reference_model):
    ours_all = []
    for text in TEXTS[:4]:
        spans = [(each.start, each.end) for each in CapitalizedWords().detect([text])[0]]
        ours = scores(encoder, text, spans, LABELS)
        np.testing.assert_allclose(
            ours, reference_scores(reference_model, text, spans, LABELS), atol=1e-5
        )
        ours_all.append(ours)
    assert np.concatenate(ours_all).std() > 0.05


def test_properties_of_the_encoder(encoder, folder):
    assert isinstance(encoder, TypeAwareEncoder)
    assert encoder.similarity == "inner product" and encoder.calibration is None
    assert (encoder.dim, encoder.threads, encoder.dtype) == (32, 1, "float32")
    assert str(folder) in encoder.description and "inner product" in encoder.description
    lengths = np.linalg.norm(encoder.encode(TEXTS[:1])[0].vectors, axis=1)
    assert abs(lengths - 1).max() > 0.1
    one = encoder.encode_types(["river"])[0]
    for score in (0.1, 0.5, 0.9):
        at = np.array([encoder.similarity_at(one, score)], dtype=np.float32)
        assert encoder.score(one, at)[0] == pytest.approx(score, abs=1e-6)
    assert encoder.similarity_at(one, 0) == float("-inf")
    kinds = encoder.types_of(TEXTS[1], (0, 4), n=3)
    assert 1 <= len(kinds) <= 3 and all(0 <= score <= 1 for _, score in kinds)


def test_mention_inside_a_word_has_the_vector_of_the_word(encoder):
    text = "The Oslofjord's end"
    whole, part = encoder.encode([text, text], spans=[[(4, 13)], [(6, 11)]])
    np.testing.assert_allclose(part.vectors, whole.vectors, atol=1e-6)
    assert part.mentions[0].text == "lofjo"


def test_long_texts_are_read_in_windows(encoder, reference_model):
    words = [*TEXTS[1].split()[:10], *["and"] * 60, "Oslo", "Norway"]
    text = " ".join(words)
    spans = [(0, 4), (text.index("Oslo", 9), len(text))]
    (one,) = encoder.encode([text], spans=[spans])
    assert np.isfinite(one.vectors).all() and one.vectors.shape == (2, 32)
    # The last window holds the last words; read alone, they have the same vectors.
    last = word_windows([1] * len(words), MAX_SPAN_WORDS, words=MAX_TEXT_WORDS, most=None)[-1]
    tail = " ".join(words[last.start :])
    alone = reference_scores(reference_model, tail, [(tail.index("Oslo"), len(tail))], LABELS)
    np.testing.assert_allclose(scores(encoder, text, spans, LABELS)[1:], alone, atol=1e-5)


@pytest.mark.parametrize("pieces", [[1] * 200, [7, 1, 1, 9, 30, 1] * 20, [100] * 5, [1], [50]])
def test_every_span_belongs_to_one_window_that_contains_it(pieces):
    windows = word_windows(pieces, 4, words=24, most=40)
    for first in range(len(pieces)):
        (window,) = [each for each in windows if each.first <= first < each.last]
        assert window.start <= first < window.end
        if max(pieces) == 1:
            assert min(first + 4, len(pieces)) <= window.end
            assert first == 0 or window.start < first or window.start == 0
    for window in windows:
        length = window.end - window.start
        assert length <= 24 and (sum(pieces[window.start : window.end]) <= 40 or length == 1)


def test_spans_without_a_vector_are_refused_or_left_out(encoder, folder):
    text = "Ada Lovelace wrote a long program"
    with pytest.raises(ValueError, match=r"more than 4 words.*no vector"):
        encoder.encode([text], spans=[[(0, len(text))]])
    with pytest.raises(ValueError, match="no word"):
        encoder.encode([text], spans=[[(3, 4)]])

    class Wide:
        def detect(self, texts):
            return [[Mention(each, 0, len(each)), Mention(each[:3], 0, 3)] for each in texts]

    wide = TypeAwareEncoder.from_gliner(folder, detector=Wide())
    assert [each.text for each in wide.encode([text])[0].mentions] == ["Ada"]


def test_model_detects_mentions_itself(folder, reference_model):
    texts = [*TEXTS[:4], " ".join(TEXTS[:4])]
    own = TypeAwareEncoder.from_gliner(folder, detector="model", labels=LABELS, threshold=0.6)
    found = own.encode(texts)
    for text, one in zip(TEXTS[:4], found, strict=False):
        (rows,) = reference_model.inference([text], LABELS, flat_ner=True, threshold=0.6)
        spans = [(row["start"], row["end"]) for row in rows if any(map(str.isalnum, row["text"]))]
        assert [(each.start, each.end) for each in one.mentions] == sorted(spans)
        assert len(one.vectors) == len(one.mentions)
    assert sum(len(one.mentions) for one in found) > 5
    assert any(each.start > len(TEXTS[0]) + len(TEXTS[1]) for each in found[4].mentions)
    assert [each.text for each in own.detect(texts)[0]] == [e.text for e in found[0].mentions]


def test_order_of_given_spans_is_kept(encoder):
    given = [(12, 16), (0, 4), (12, 16)]
    (one,) = encoder.encode(["Oslo is the city"], spans=[given])
    assert [(each.start, each.end) for each in one.mentions] == given
    np.testing.assert_array_equal(one.vectors[0], one.vectors[2])


def test_saved_encoder_loads_unchanged_and_another_model_is_refused(encoder, folder, tmp_path):
    own = TypeAwareEncoder.from_gliner(folder, detector="model", labels=LABELS, threshold=0.6)
    own.save_pretrained(tmp_path / "saved")
    again = TypeAwareEncoder.from_pretrained(tmp_path / "saved")
    assert again.fingerprint == own.fingerprint == encoder.fingerprint
    assert again.understands(own.fingerprint)
    assert again.detect(TEXTS) == own.detect(TEXTS)
    ours = TypeAwareEncoder.from_pretrained(tmp_path / "saved", detector=CapitalizedWords())
    assert ours.detect(TEXTS) == encoder.detect(TEXTS) != own.detect(TEXTS)
    config = (tmp_path / "saved" / "config.json").read_text()
    other = config.replace(own.fingerprint, "0" * 32)
    (tmp_path / "saved" / "config.json").write_text(other)
    with pytest.raises(ValueError, match="not the one that the encoder was saved with"):
        TypeAwareEncoder.from_pretrained(tmp_path / "saved")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"span_mode": "token_level"}, "token-level"),
        ({"post_fusion_schema": "t2l-l2t"}, "fused"),
        ({"labels_encoder": None}, "uni-encoder"),
        ({"labels_decoder": "gpt2"}, "generated labels"),
        ({"model_type": "gliner_streaming_span"}, "streaming"),
    ],
)
def test_other_kinds_of_models_are_refused_by_name(folder, tmp_path, changes, said):
    import json

    config = json.loads((folder / "gliner_config.json").read_text())
    (tmp_path / "gliner_config.json").write_text(json.dumps(config | changes))
    with pytest.raises(ValueError, match=said):
        TypeAwareEncoder.from_gliner(tmp_path)


def test_unsupported_operations_are_refused(encoder, folder, tmp_path):
    with pytest.raises(TypeError, match="cannot be taught names"):
        encoder.learn_names({"Oslo": ["city"]})
    with pytest.raises(TypeError, match="push it with the package gliner"):
        encoder.push_to_hub("user/name")
    with pytest.raises(ValueError, match="by its name"):
        encoder.save_pretrained(tmp_path, backbone=True)
    with pytest.raises(ValueError, match="'shipped', 'model' or a detector"):
        TypeAwareEncoder.from_gliner(folder, detector="spacy")
    with pytest.raises(ValueError, match="no gliner_config.json"):
        TypeAwareEncoder.from_gliner(tmp_path)
    with pytest.raises(ValueError, match="load it with TypeAwareEncoder.from_gliner"):
        TypeAwareEncoder.from_pretrained(folder)
    with pytest.raises(FileNotFoundError, match="not a folder and could not be loaded"):
        TypeAwareEncoder.from_gliner("nobody/no-such-gliner")
    with pytest.raises(ValueError, match="empty"):
        encoder.encode([" "])
    with pytest.raises(TypeError, match="not one string"):
        encoder.encode_types("river")
