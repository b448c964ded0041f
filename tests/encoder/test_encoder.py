import threading

import numpy as np
import pytest
import torch
from tiny import TEXTS, CapitalizedWords

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder.backbone import backbone
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.encoder.pooling import pool

OFFSETS = np.array([[0, 3], [4, 7], [7, 9], [10, 12]])
STATES = torch.arange(8.0).reshape(4, 2)


@pytest.mark.parametrize(
    ("span", "tokens"),
    [
        ((4, 9), [1, 2]),
        ((0, 12), [0, 1, 2, 3]),
        ((5, 6), [1]),  # inside a token
        ((2, 5), [0, 1]),  # across two tokens
        ((9, 10), [3]),  # touches none: the next token
        ((12, 13), [3]),  # past the last token
    ],
)
def test_pooling_takes_the_tokens_a_span_touches(span, tokens):
    rows = STATES[tokens]
    torch.testing.assert_close(pool(STATES, OFFSETS, [span], "mean")[0], rows.mean(0))
    torch.testing.assert_close(pool(STATES, OFFSETS, [span], "last")[0], rows[-1])
    both = torch.cat([rows[0], rows[-1]])
    torch.testing.assert_close(pool(STATES, OFFSETS, [span], "first+last")[0], both)


def test_pooling_several_spans_and_none():
    pooled = pool(STATES, OFFSETS, [(7, 12), (0, 3), (0, 9)], "mean")
    expected = torch.stack([STATES[2:4].mean(0), STATES[0], STATES[:3].mean(0)])
    torch.testing.assert_close(pooled, expected)
    assert pool(STATES, OFFSETS, [], "first+last").shape == (0, 4)


@pytest.mark.parametrize(("pooling", "width"), [("last", 2), ("mean", 2), ("first+last", 4)])
def test_pooling_a_text_without_tokens(pooling, width):
    pooled = pool(STATES[:0], OFFSETS[:0], [(0, 1), (1, 2)], pooling)
    torch.testing.assert_close(pooled, torch.zeros(2, width))


def test_given_spans(tiny_encoder):
    encoded = tiny_encoder.encode(TEXTS[:2], spans=[[(0, 11)], [(23, 29), (0, 4), (0, 4)]])
    assert [mention.text for mention in encoded[1].mentions] == ["Norway", "Oslo", "Oslo"]
    assert encoded[0].vectors.shape == (1, 64)
    assert encoded[0].vectors.dtype == encoded[0].text_vector.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(encoded[1].vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(encoded[1].text_vector), 1, atol=1e-5)


def test_detector_given_by_the_caller(tiny_encoder):
    (encoded,) = tiny_encoder.encode([TEXTS[1]])
    assert [mention.text for mention in encoded.mentions] == ["Oslo", "Norway", "Oslofjord"]
    assert tiny_encoder.detect([TEXTS[1]]) == [encoded.mentions]


def test_text_without_mentions(tiny_encoder):
    (encoded,) = tiny_encoder.encode(["nothing here"])
    assert encoded.mentions == []
    assert encoded.vectors.shape == (0, 64)


def test_mention_across_a_window_boundary_is_encoded_once(tiny_checkpoint):
    encoder = TypeAwareEncoder(tiny_checkpoint, "hidden@3", window=24, detector=CapitalizedWords())
    text = "and so on " * 12 + "Charles Babbage " + "and so on " * 12
    (encoded,) = encoder.encode([text])
    assert [mention.text for mention in encoded.mentions] == ["Charles Babbage"]


def test_invalid_texts_and_spans_are_refused(tiny_encoder):
    with pytest.raises(TypeError, match=r"texts must be a list"):
        tiny_encoder.encode("Oslo")
    with pytest.raises(TypeError, match=r"texts\[1\] must be a string, not int"):
        tiny_encoder.encode(["Oslo", 3])
    with pytest.raises(ValueError, match=r"texts\[0\] is empty"):
        tiny_encoder.encode([" \n"])
    with pytest.raises(ValueError, match="surrogate"):
        tiny_encoder.encode(["\ud83d"])
    for span in [(0, 5), (-1, 2), (2, 2), (3, 1)]:
        with pytest.raises(ValueError, match=r"spans\[0\].*4 characters"):
            tiny_encoder.encode(["Oslo"], spans=[[span]])
    with pytest.raises(ValueError, match="spans is for 2 texts"):
        tiny_encoder.encode(["Oslo"], spans=[[], []])


def test_invalid_type_descriptions_are_refused(tiny_encoder):
    with pytest.raises(TypeError, match="types must be a list"):
        tiny_encoder.encode_types("dinosaur")
    with pytest.raises(ValueError, match="type description is empty"):
        tiny_encoder.encode_types(["  "])
    with pytest.raises(TypeError, match="type description 1 must be a string"):
        tiny_encoder.encode_types(["a", None])
    with pytest.raises(ValueError, match="no words"):
        tiny_encoder.encode_types(["\u200b"])
    assert tiny_encoder.encode_types([]).shape == (0, 64)


def test_type_template(tiny_checkpoint, tiny_encoder):
    encoder = TypeAwareEncoder(tiny_checkpoint, "value@1+hidden@3", type_template="a {}")
    expected = tiny_encoder.encode_types(["a city"])
    np.testing.assert_allclose(encoder.encode_types(["city"]), expected, atol=1e-6)


def test_constructor_refuses_invalid_arguments(tiny_checkpoint):
    with pytest.raises(ValueError, match="pooling 'max'"):
        TypeAwareEncoder(tiny_checkpoint, "hidden@1", pooling="max")
    with pytest.raises(ValueError, match="type_template"):
        TypeAwareEncoder(tiny_checkpoint, "hidden@1", type_template="the type")
    with pytest.raises(FileNotFoundError, match=r"no/such.*not a folder"):
        TypeAwareEncoder("no/such", "hidden@1").encode_types(["a"])


def test_saved_encoder_gives_the_same_vectors(tiny_checkpoint, tmp_path):
    torch.manual_seed(3)
    head = ProjectionHead((64, 16, 8)).eval()
    encoder = TypeAwareEncoder(
        tiny_checkpoint, "value@1+hidden@3", pooling="last", head=head, window=48,
        detector=CapitalizedWords(),
    )  # fmt: skip
    encoder.save_pretrained(tmp_path)
    again = TypeAwareEncoder.from_pretrained(tmp_path, detector=CapitalizedWords())
    assert again.fingerprint == encoder.fingerprint
    assert again.dim == 8
    for one, other in zip(encoder.encode(TEXTS), again.encode(TEXTS), strict=True):
        np.testing.assert_array_equal(one.vectors, other.vectors)


def test_fingerprint_changes_with_whatever_changes_vectors(tiny_checkpoint, tmp_path):
    def fingerprint(backbone=tiny_checkpoint, taps="hidden@1", **options):
        return TypeAwareEncoder(backbone, taps, **options).fingerprint

    from shutil import copytree

    from transformers import BertModel

    other = tmp_path / "other"
    copytree(tiny_checkpoint, other)
    model = BertModel.from_pretrained(other)
    model.encoder.layer[0].output.dense.bias.data += 0.1
    model.save_pretrained(other)
    torch.manual_seed(5)
    prints = [
        fingerprint(),
        fingerprint(backbone=other),
        fingerprint(taps="hidden@2"),
        fingerprint(pooling="last"),
        fingerprint(window=32),
        fingerprint(type_template="a {}"),
        fingerprint(head=ProjectionHead((32, 4))),
        fingerprint(head=ProjectionHead((32, 4))),
    ]
    assert len(set(prints)) == len(prints)
    for same in ({"dtype": "bfloat16"}, {"detector": CapitalizedWords()}, {"device": "cpu"}):
        assert fingerprint(**same) == prints[0]
    moved = tmp_path / "moved"
    copytree(tiny_checkpoint, moved)
    assert fingerprint(backbone=moved, load_options={"device_map": "auto"}) == prints[0]


def test_weights_other_than_recorded_are_refused(tiny_checkpoint):
    encoder = TypeAwareEncoder(tiny_checkpoint, "hidden@1", backbone_sha256="0" * 64)
    with pytest.raises(ValueError, match="sha256"):
        encoder.encode_types(["city"])


def test_folders_without_an_encoder_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no config\.json"):
        TypeAwareEncoder.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="format 2"):
        TypeAwareEncoder.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="not a folder"):
        TypeAwareEncoder.from_pretrained(tmp_path / "none")


def test_threads_load_one_backbone_and_agree(tiny_checkpoint, monkeypatch):
    loaded = []
    real = backbone.Backbone
    monkeypatch.setattr(backbone, "Backbone", lambda *a, **k: loaded.append(1) or real(*a, **k))
    encoder = TypeAwareEncoder(tiny_checkpoint, "hidden@2", detector=CapitalizedWords())
    results: list[np.ndarray] = [None] * 8
    start = threading.Barrier(8)

    def work(number):
        start.wait()
        results[number] = np.concatenate([one.vectors for one in encoder.encode(TEXTS)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 1
    for result in results:
        np.testing.assert_array_equal(result, results[0])
