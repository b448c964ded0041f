"""Pushing encoders to the Hub and loading them, against a test double of its protocol."""

import json

import numpy as np
import pytest
from hub_double import TOKEN, HubDouble
from huggingface_hub import ModelCard, constants
from huggingface_hub.errors import HfHubHTTPError

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder import ProjectionHead, SpanHead

REPO = "somebody/my-encoder"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with HubDouble().running() as running:
        template = running.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", running.address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
        yield running


@pytest.fixture
def encoder(tiny_checkpoint):
    return TypeAwareEncoder(
        tiny_checkpoint,
        "value@1+hidden@3",
        head=ProjectionHead((64, 8)),
        detector=SpanHead(["hidden@2"], 32, hidden=16),
    )


def pushed(encoder, **options):
    return encoder.push_to_hub(REPO, backbone=True, token=TOKEN, **options)


def test_encoder_loaded_from_the_hub_is_the_pushed_one(hub, encoder):
    address = pushed(encoder, commit_message="First")
    (sha,) = hub.commits[REPO]
    assert str(address) == f"{hub.address}/{REPO}/commit/{sha}"
    again = TypeAwareEncoder.from_pretrained(REPO)
    packed = TypeAwareEncoder.from_pretrained(REPO, revision=sha)
    assert again.fingerprint == packed.fingerprint
    types = ["river", "capital city"]
    vectors = again.encode_types(types)
    np.testing.assert_array_equal(vectors, packed.encode_types(types))
    # The backbone is stored in float16.
    assert (vectors * encoder.encode_types(types)).sum(axis=1) == pytest.approx(1, abs=1e-3)


def test_model_card_describes_the_encoder_and_how_to_load_it(hub, encoder):
    pushed(encoder, license="cc-by-sa-4.0")
    card = ModelCard(hub.files(REPO)["README.md"].decode())
    assert card.data.library_name == "ner-retriever-rag"
    assert card.data.license == "cc-by-sa-4.0"
    assert {"named-entity-recognition", "entity-retrieval"} <= set(card.data.tags)
    assert card.data.base_model is None
    assert f'TypeAwareEncoder.from_pretrained("{REPO}")' in card.text
    for fact in ("value@1, hidden@3", "projection head, detector of mentions", "| 8 |"):
        assert fact in card.text
    assert encoder.fingerprint in card.text


def test_existing_model_card_is_kept(hub, encoder):
    pushed(encoder)
    hub.commit(REPO, hub.files(REPO) | {"README.md": b"Measured on my own texts."})
    other = TypeAwareEncoder(encoder.source.name, "hidden@2", detector=encoder.detector)
    pushed(other, ignore_patterns="*.md5")
    files = hub.files(REPO)
    assert files["README.md"] == b"Measured on my own texts."
    assert json.loads(files["config.json"])["taps"] == "hidden@2"


def test_private_encoder_is_loaded_with_the_token(hub, encoder):
    pushed(encoder, private=True)
    with pytest.raises(FileNotFoundError, match=REPO):
        TypeAwareEncoder.from_pretrained(REPO)
    TypeAwareEncoder.from_pretrained(REPO, token=TOKEN)


def test_push_without_a_local_backbone_is_refused(hub, encoder):
    with pytest.raises(ValueError, match="backbone=True"):
        encoder.push_to_hub(REPO, token=TOKEN)
    assert REPO not in hub.commits


def test_backbone_on_the_hub_is_downloaded_by_name(hub, encoder, tiny_checkpoint):
    files = {each.name: each.read_bytes() for each in tiny_checkpoint.iterdir()}
    hub.commits["google/tiny-bert"] = {}
    hub.commit("google/tiny-bert", files)
    named = TypeAwareEncoder("google/tiny-bert", "hidden@2", detector=encoder.detector)
    named.push_to_hub(REPO, token=TOKEN)
    assert not any(name.startswith("backbone/") for name in hub.files(REPO))
    card = ModelCard(hub.files(REPO)["README.md"].decode())
    assert card.data.base_model == "google/tiny-bert"
    again = TypeAwareEncoder.from_pretrained(REPO)
    np.testing.assert_array_equal(again.encode_types(["river"]), named.encode_types(["river"]))


def test_nothing_is_pushed_with_a_wrong_token(hub, encoder):
    with pytest.raises(HfHubHTTPError, match="401"):
        encoder.push_to_hub(REPO, backbone=True, token="hf_of_nobody")
    assert not hub.commits


def test_revision_of_a_folder_is_refused(encoder, tmp_path):
    encoder.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="revision goes with a hub id"):
        TypeAwareEncoder.from_pretrained(tmp_path, revision="v1")
