"""The encoder reads the view of a text; its output refers to the text itself."""

import numpy as np
import torch
from tiny import CapitalizedWords

from ner_retriever_rag import EntityIndex, TypeAwareEncoder
from ner_retriever_rag.encoder import pieces
from ner_retriever_rag.encoder.span_head import Words, _mentions, _pairs
from ner_retriever_rag.schema import Mention

MESSY = "The one who had once met Oslo Nor\u00adway\nwas:\n\nLima\tPeru\nRome"
CLEAN = "The one who had once met Oslo Norway was: | Lima | Peru | Rome"


class RecordingDetector(CapitalizedWords):
    def __init__(self):
        self.read = []

    def detect(self, texts):
        self.read += texts
        return super().detect(texts)


def test_detector_reads_the_view_and_spans_refer_to_the_source(tiny_checkpoint):
    watching = RecordingDetector()
    encoder = TypeAwareEncoder(tiny_checkpoint, "hidden@2", detector=watching)
    messy, clean = encoder.encode([MESSY, CLEAN])
    assert watching.read == [CLEAN, CLEAN]
    assert all(MESSY[each.start : each.end] == each.text for each in messy.mentions)
    assert any("\u00ad" in each.text for each in messy.mentions)
    np.testing.assert_array_equal(messy.vectors, clean.vectors)
    given = [(each.start, each.end) for each in messy.mentions]
    np.testing.assert_array_equal(encoder.encode([MESSY], [given])[0].vectors, clean.vectors)


def test_no_mention_crosses_a_boundary(tiny_checkpoint):
    class WholeTextDetector:
        def detect(self, texts):
            return [[Mention(text, 0, len(text))] for text in texts]

    encoder = TypeAwareEncoder(tiny_checkpoint, "hidden@2", detector=WholeTextDetector())
    (encoded,) = encoder.encode(["Lima\tPeru\nRome"])
    assert [each.text for each in encoded.mentions] == ["Lima", "Peru", "Rome"]


def test_text_of_invisible_characters_has_no_mentions(tiny_encoder):
    (encoded,) = tiny_encoder.encode(["\u200b\u200e"])
    assert encoded.mentions == [] and len(encoded.vectors) == 0


def test_long_text_is_read_in_pieces_and_merged(tiny_checkpoint, monkeypatch):
    monkeypatch.setattr(pieces, "LONGEST", 60)
    encoder = TypeAwareEncoder(tiny_checkpoint, "hidden@2", detector=CapitalizedWords())
    sentences = ["Oslo lies in Norway.", "Lima lies in Peru, by the sea.", "Rome is far."] * 5
    text = " ".join(sentences)
    (encoded,) = encoder.encode([text])
    assert [text[each.start : each.end] for each in encoded.mentions] == [
        each.text for each in CapitalizedWords().detect([text])[0]
    ]
    # Given spans keep their order, whichever piece they are in.
    spans = [(each.start, each.end) for each in encoded.mentions][::-1]
    (given,) = encoder.encode([text], [spans])
    np.testing.assert_allclose(given.vectors, encoded.vectors[::-1], atol=1e-5)


def test_word_products_do_not_depend_on_the_block_size(monkeypatch):
    torch.manual_seed(0)
    first, last = torch.rand(2, 23, 4), torch.rand(2, 23 + 5, 4)
    whole = _pairs(first, last, 5)
    monkeypatch.setattr("ner_retriever_rag.encoder.span_head._BLOCK", 7)
    torch.testing.assert_close(_pairs(first, last, 5), whole)
    torch.testing.assert_close(whole[1, 20, 3], first[1, 20] @ last[1, 23])


def test_names_are_shown_as_in_the_view(tiny_encoder):
    index = EntityIndex(encoder=tiny_encoder)
    text = "It was in the year of the comet that Roald\nAmundsen, who was born there, met others."
    index.add([text, "Roald Amundsen left."], spans=[[(37, 51)], [(0, 14)]])
    (entity,) = index.entities("explorer", k=5, score_threshold=0)
    assert entity.names == ["Roald Amundsen"] and entity.mentions == 2
    matches = index.search_mentions("explorer", k=5)
    assert {each.text for each in matches} == {"Roald Amundsen"}


def test_span_head_finds_no_mention_across_a_boundary():
    text = "Jane Doe | Oslo"
    words = Words(text)
    everything = np.ones((len(words), 12), dtype=np.float32)
    found = _mentions(text, words, everything, 0.5)
    assert found and not any("|" in each.text for each in found)
