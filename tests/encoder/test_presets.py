"""Encoders by name, and heads from a URL."""

import http.server
import json
import threading
from functools import partial

import numpy as np
import pytest
import torch
from tiny import CapitalizedWords

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder.head import ProjectionHead
from ner_retriever_rag.encoder.presets import PRESETS

TYPES = ["river", "capital city"]


@pytest.fixture(scope="module")
def head_file(tmp_path_factory):
    """A head in the authors' format, for the tiny LLaMA's values of width 16."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("heads") / "contrastive_projection_head.pth"
    torch.save(ProjectionHead((16, 12, 10)).state_dict(), path)
    return path


@pytest.fixture
def server(head_file):
    """A web server for the head's folder; its ``asked`` counts the requests."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            served.asked += 1

    handler = partial(Handler, directory=str(head_file.parent))
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    served.asked = 0
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield served
    served.shutdown()
    served.server_close()


def test_paper_preset_by_name(tiny_llama, head_file):
    encoder = TypeAwareEncoder.from_preset(
        "llama-3.1-8b", head=head_file, backbone=tiny_llama, detector=CapitalizedWords()
    )
    assert (encoder.taps, encoder.pooling) == (("value@17",), "last")
    explicit = TypeAwareEncoder(tiny_llama, "value@17", pooling="last", head=head_file)
    np.testing.assert_array_equal(encoder.encode_types(TYPES), explicit.encode_types(TYPES))
    (encoded,) = encoder.encode(["Oslo lies in Norway."])
    assert encoded.vectors.shape == (2, 10)


def test_paper_preset_matches_the_authors_code(shared):
    reference = shared / "reference"
    encoder = TypeAwareEncoder.from_preset(
        "llama-3.1-8b",
        head=reference / "contrastive_projection_head.pth",
        backbone=reference / "tiny-llama",
    )
    golden = json.loads((reference / "tiny-llama-golden.json").read_text())["types"]
    theirs = np.array([row["vector"] for row in golden])
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    ours = encoder.encode_types([row["text"] for row in golden])
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_preset_names_its_default_backbone(head_file):
    encoder = TypeAwareEncoder.from_preset("llama-3.1-8b", head=head_file)
    assert encoder.backbone_name == PRESETS["llama-3.1-8b"].backbone == "meta-llama/Llama-3.1-8B"


def test_shipped_encoder_by_name(shipped_encoder):
    encoder = TypeAwareEncoder.from_preset("minilm")
    assert encoder.fingerprint == shipped_encoder.fingerprint


def test_invalid_presets_are_refused(head_file):
    with pytest.raises(ValueError, match="no preset 'x'.*llama-3.1-8b: the paper's"):
        TypeAwareEncoder.from_preset("x")
    with pytest.raises(ValueError, match=r"needs head=.*contrastive_projection_head\.pth"):
        TypeAwareEncoder.from_preset("llama-3.1-8b")
    with pytest.raises(ValueError, match="head of its own"):
        TypeAwareEncoder.from_preset("minilm", head=head_file)


def test_head_is_downloaded_once(tiny_llama, head_file, server, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    url = f"http://127.0.0.1:{server.server_port}/{head_file.name}"
    options = {"backbone": tiny_llama, "detector": CapitalizedWords()}
    for _ in range(2):
        encoder = TypeAwareEncoder.from_preset("llama-3.1-8b", head=url, **options)
    assert server.asked == 1
    local = TypeAwareEncoder.from_preset("llama-3.1-8b", head=head_file, **options)
    assert encoder.fingerprint == local.fingerprint


def test_failed_download_of_a_head_is_reported(server, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    url = f"http://127.0.0.1:{server.server_port}/none.pth"
    with pytest.raises(FileNotFoundError, match="none.pth could not be fetched: .*404"):
        TypeAwareEncoder.from_preset("llama-3.1-8b", head=url)
    assert not list(tmp_path.rglob("*.pth"))


def test_web_page_instead_of_a_head_is_refused(head_file, server, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (head_file.parent / "page.pth").write_text("<!doctype html><p>Sign in")
    url = f"http://127.0.0.1:{server.server_port}/page.pth"
    with pytest.raises(FileNotFoundError, match="page.pth is a web page"):
        TypeAwareEncoder.from_preset("llama-3.1-8b", head=url)
    assert not list(tmp_path.rglob("*.pth"))


def test_file_that_is_no_head_is_refused(tmp_path):
    (tmp_path / "head.pth").write_bytes(b"not a pickle")
    with pytest.raises(ValueError, match="head.pth is not a file that torch"):
        TypeAwareEncoder.from_preset("llama-3.1-8b", head=tmp_path / "head.pth")
