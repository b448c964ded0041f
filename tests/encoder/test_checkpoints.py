"""Which files of a checkpoint are downloaded, and which enter the digest of its weights."""

import shutil
from pathlib import Path

import pytest

from ner_retriever_rag.encoder.backbone import checkpoints


@pytest.fixture
def repository(tiny_llama, tmp_path):
    """The tiny LLaMA in a repository that also holds copies of the weights in other formats."""
    folder = shutil.copytree(tiny_llama, tmp_path / "repository")
    (folder / "original").mkdir()
    for extra in ("consolidated.safetensors", "original/model.safetensors", "onnx.bin"):
        (folder / extra).write_bytes(b"a copy")
    return folder


def test_copies_for_other_programs_are_not_downloaded(repository, tmp_path, monkeypatch):
    from huggingface_hub.utils import filter_repo_objects

    def snapshot_download(name, *, allow_patterns, ignore_patterns):
        assert name == "someone/llama"
        files = [str(file.relative_to(repository)) for file in repository.rglob("*")]
        for file in filter_repo_objects(
            files, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns
        ):
            shutil.copy(repository / file, tmp_path / "fetched" / file)
        return str(tmp_path / "fetched")

    (tmp_path / "fetched").mkdir()
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    fetched = checkpoints.find_checkpoint("someone/llama")
    names = {file.name for file in fetched.iterdir()}
    assert {"config.json", "tokenizer.json", "model.safetensors.index.json"} <= names
    assert sum(name.startswith("model-") for name in names) > 10
    assert not names & {"consolidated.safetensors", "model.safetensors", "onnx.bin"}


def test_copies_for_other_programs_do_not_change_the_digest(repository, tiny_llama):
    assert checkpoints.weights_digest(repository) == checkpoints.weights_digest(tiny_llama)
    shard = next(Path(repository).glob("model-*.safetensors"))
    weights = bytearray(shard.read_bytes())
    weights[-1] ^= 1
    shard.write_bytes(weights)
    assert checkpoints.weights_digest(repository) != checkpoints.weights_digest(tiny_llama)
