"""A mined folder as training reads it: entities, hierarchy, held-out types."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.backbone.checkpoints import find_checkpoint
from ner_retriever_rag.training.held_out import split_held_out
from ner_retriever_rag.training.hierarchy import Hierarchy
from ner_retriever_rag.training.mined import MinedEntity, load_entities
from ner_retriever_rag.training.wordnet import WordNet, broader_by_wordnet, phrases_by_head

_SYNONYM_COSINE = 0.75  # minimum cosine at which two head nouns count as near-synonyms


@dataclass(frozen=True, slots=True)
class Mined:
    """The content of a mined folder: all entities, those to train on, hierarchy, held-out heads."""

    train: list[MinedEntity]
    every: list[MinedEntity]
    hierarchy: Hierarchy
    held_out: set[str]

    @classmethod
    def load(
        cls, folder: str | Path, backbone: str | Path, wordnet: str | Path | None = None
    ) -> Mined:
        """Read a folder; head nouns that the backbone finds near-synonymous become kindred.

        Args:
            folder: Output folder of ``mine``.
            backbone: Folder or name of the backbone whose text vectors compare head nouns.
            wordnet: Folder of WordNet's noun files, for broader types than definitions give.
        """
        every = load_entities(folder)
        hierarchy = Hierarchy.load(folder)
        heads = sorted({head for entity in every for head in entity.heads})
        names = Backbone(find_checkpoint(backbone), f"hidden@{_depth(backbone)}", dtype="auto")

        def text_vectors(texts: Sequence[str]) -> NDArray[np.float32]:
            read = names.read(texts)
            vectors = np.stack([s.text_vector for s in read if s.text_vector is not None])
            unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
            return unit

        hierarchy.add_kindred(heads, text_vectors(heads), _SYNONYM_COSINE)
        if wordnet is not None:
            phrases = phrases_by_head(phrase for entity in every for phrase in entity.types)
            hierarchy.add_broader(broader_by_wordnet(WordNet(wordnet), phrases, text_vectors))
        train, held_out = split_held_out(every)
        return cls(train, every, hierarchy, held_out)


def _depth(backbone: str | Path) -> int:
    config = json.loads((find_checkpoint(backbone) / "config.json").read_text(encoding="utf-8"))
    return int(config["num_hidden_layers"])
