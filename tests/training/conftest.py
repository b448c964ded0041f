"""A few articles, and what is mined from them."""

import json
import random

import pytest

pytest.importorskip("textblob", reason="needs the extra [train]")
pytest.importorskip("ahocorasick", reason="needs the extra [train]")

from ner_retriever_rag.training.mine import MiningOptions, mine

KINDS = {
    "band": ("Norwegian metal band", ["Ulvgard", "Frostheim", "Skaldemark", "Nattverk"]),
    "river": ("river", ["Aldebrook", "Wendlewater", "Torrisdale", "Mirrenbeck"]),
    "beetle": ("species of beetle", ["Carabus velox", "Lucanus minor", "Silpha nitens"]),
}


def articles() -> list[dict[str, str]]:
    rows = []
    for kind, (phrase, names) in KINDS.items():
        for i, name in enumerate(names):
            other = names[(i + 1) % len(names)]
            lead = f"{name} is a {phrase} known to everyone in the region."
            more = f"It is often compared with {other} by those who write about such things."
            rows.append({"title": name, "text": f"{lead} {more}"})
        rows.append({"title": kind.capitalize(), "text": f"A {kind} is a thing of some note."})
    return rows


@pytest.fixture(scope="session")
def articles_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("articles") / "articles.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in articles()))
    return path


@pytest.fixture(scope="session")
def mined(articles_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mined")
    mine([articles_file], folder, options=MiningOptions(least_heads=1, silver=50))
    return folder


@pytest.fixture
def rng():
    return random.Random(0)
