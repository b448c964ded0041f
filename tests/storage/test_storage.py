"""The size of an index, computed by hand and measured."""

import json
import re

import pytest
from tiny import TEXTS, CapitalizedWords
from typer.testing import CliRunner

from ner_retriever_rag import Document, EntityIndex, TypeAwareEncoder
from ner_retriever_rag.cli import app
from ner_retriever_rag.cli.stats import SentenceIndex
from ner_retriever_rag.storage.size import Storage, disk_usage


def test_saving_is_computed_from_sizes():
    storage = Storage(
        documents=2, mentions=12, mention_width=100, text_width=50, text_bytes=900,
        disk_bytes=80_000,
    )  # fmt: skip
    rival = SentenceIndex(4)
    assert storage.mention_vector_bytes == 12 * 100 * 4
    assert storage.vector_bytes == 12 * 100 * 4 + 2 * 50 * 4
    assert rival.bytes == 4 * 4096 * 4
    assert rival.saving(storage.mention_vector_bytes) == pytest.approx(1 - 4800 / 65536)
    assert rival.saving(storage.disk_bytes) == pytest.approx(1 - 80000 / 65536)
    assert rival.saving(None) is None


@pytest.mark.parametrize(
    ("width", "mentions_a_sentence", "saving"), [(500, 1, 0.878), (500, 2, 0.756), (128, 2, 0.938)]
)
def test_saving_depends_on_width_and_mentions_per_sentence(width, mentions_a_sentence, saving):
    storage = Storage(
        documents=1, mentions=1_000 * mentions_a_sentence, mention_width=width, text_width=1,
        text_bytes=0,
    )  # fmt: skip
    saved = SentenceIndex(1_000).saving(storage.mention_vector_bytes)
    assert saved == pytest.approx(saving, abs=1e-3)


def test_widths_and_sizes_are_measured(tiny_encoder, tmp_path):
    index = EntityIndex(tmp_path / "index", encoder=tiny_encoder)
    empty = index.storage()
    assert (empty.documents, empty.mentions, empty.mention_width, empty.text_width) == (0, 0, 0, 0)
    assert SentenceIndex.of(index).saving(empty.vector_bytes) is None
    texts = [" ".join(TEXTS[:2]), "No name here\nand none there.", *TEXTS[2:]]
    index.add(texts)
    storage = index.storage()
    assert SentenceIndex.of(index).sentences == 2 + 2 + 3
    assert storage.mentions == sum(map(len, CapitalizedWords().detect(texts)))
    assert (storage.mention_width, storage.text_width) == (tiny_encoder.dim, 32)
    assert storage.text_bytes == sum(len(text.encode()) for text in texts)
    assert storage.disk_bytes == disk_usage(tmp_path / "index") > storage.vector_bytes


def test_index_in_memory_has_no_disk_size_and_cut_backbone_no_text_vectors(tiny_checkpoint):
    encoder = TypeAwareEncoder(tiny_checkpoint, "value@1", detector=CapitalizedWords())
    index = EntityIndex(encoder=encoder)
    index.add([Document(TEXTS[0], id="a")])
    storage = index.storage()
    assert storage.disk_bytes is None
    assert (storage.mention_width, storage.text_width) == (32, 1)


def test_stats_command_prints_sizes_and_savings(tmp_path):
    index = EntityIndex(tmp_path / "index")
    index.add(TEXTS)
    storage, rival = index.storage(), SentenceIndex.of(index)
    result = CliRunner().invoke(app, ["stats", str(tmp_path / "index")])
    assert result.exit_code == 0, result.output
    assert re.search(r"sentences\s+5\b", result.output)
    assert re.search(r"on disk, everything\s+\d+\.\d MB: [\d,]+ bytes a mention", result.output)
    saved = f"{rival.saving(storage.mention_vector_bytes):.1%}"
    assert re.search(rf"saved, mention vectors\s+{re.escape(saved)}", result.output)
    result = CliRunner().invoke(app, ["stats", str(tmp_path / "index"), "--json"])
    figures = json.loads(result.output)
    assert figures["mention_vector_bytes"] == storage.mentions * 4 * index.encoder.dim
    assert figures["saving_mention_vectors"] == rival.saving(storage.mention_vector_bytes)
    assert figures["fingerprint"] == index.encoder.fingerprint
