"""R-Precision of mined types whose head nouns training never saw, and of others, by words.

python benchmarks/mined_types.py MINED [--encoder FOLDER] [--wordnet FOLDER] [--cache FOLDER]

MINED is a folder written by `ner-retriever train mine`. The corpus is 4,000 random mined mentions
and all those of the held-out head nouns, each in a sentence of another article than the one that
says what it is. Mentions that may or may not be of a type (it is known as something broader, or
near) are left out of that type's ranking. Known names are switched off, so that the encoder does
not look up what it is judged by. Prints a Markdown table: types ranked by the cosine of the bare
vectors, of those drawn to the prototypes, and by all stages of a search.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder.backbone.checkpoints import MINILM
from ner_retriever_rag.evaluation.encodings import cached
from ner_retriever_rag.evaluation.metrics import r_precision
from ner_retriever_rag.schema import EncodedText
from ner_retriever_rag.search.in_memory_texts import InMemoryTexts
from ner_retriever_rag.training.calibrate import LabelledTypes, label_types
from ner_retriever_rag.training.corpus import Mined
from ner_retriever_rag.training.mined import MentionContext
from ner_retriever_rag.training.recipes import sample_with_held_out

MENTIONS = 4_000  # random ones; those of held-out head nouns are added
LONGEST = 4  # words of a description
SEEN = 600  # types of seen head nouns


def rankings(
    encoder: TypeAwareEncoder, contexts: list[MentionContext], types: list[str], cache: Path | None
) -> dict[str, NDArray[np.float32]]:
    """Scores by each way of ranking, ``(types, mentions)``."""
    prototypes, encoder.prototypes, encoder.names = encoder.prototypes, None, None
    texts = [context.text for context in contexts]
    spans = [[(context.start, context.end)] for context in contexts]
    encoded: list[EncodedText] = cached(
        cache,
        "mined-types",
        lambda: (encoder.fingerprint, texts, spans),
        lambda: encoder.encode(texts, spans),
    )
    queries = encoder.encode_types(types)
    vectors = np.concatenate([each.vectors for each in encoded])
    found = {"bare vectors": queries @ vectors.T}
    if prototypes is not None:
        encoder.prototypes = prototypes
        vectors = prototypes.pull(vectors)
        found["with prototypes"] = queries @ vectors.T
        for each, vector in zip(encoded, vectors, strict=True):
            each.vectors[0] = vector
    held = InMemoryTexts(encoder, texts, encoded)
    places = np.full((len(types), len(texts)), -np.inf, dtype=np.float32)
    for row, query in enumerate(types):
        ranked = held.rank(query)
        places[row, ranked.order] = -np.arange(len(ranked.order))
    return found | {"all stages": places}


def figures(scores: NDArray[np.float32], types: LabelledTypes) -> NDArray[np.float64]:
    """R-Precision of each type among the mentions that are or are not of it."""
    per_type = []
    for row, members, others in zip(scores, types.members, types.others, strict=True):
        judged = np.concatenate([members, others])
        per_type.append(r_precision(row[judged], np.arange(len(judged)) < len(members)))
    return np.array(per_type)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("mined", type=Path, help="folder written by `ner-retriever train mine`")
    parser.add_argument("--encoder", help="a saved encoder instead of the shipped one")
    parser.add_argument("--wordnet", help="folder of WordNet's noun files, for broader types")
    parser.add_argument("--cache", type=Path, help="folder of cached encodings")
    args = parser.parse_args()
    encoder = TypeAwareEncoder.from_pretrained(args.encoder)
    mined = Mined.load(args.mined, MINILM, args.wordnet)
    entities, drawn, contexts = sample_with_held_out(mined, MENTIONS, seed=0)
    types = label_types(
        entities, mined.hierarchy, longest=LONGEST, most=SEEN, held_out=mined.held_out, drawn=drawn
    )
    scores = rankings(encoder, contexts, types.phrases, args.cache)
    unseen = np.array(types.unseen)
    several = np.array([" " in phrase for phrase in types.phrases])
    groups = {
        "unseen head noun, one word": unseen & ~several,
        "unseen head noun, several words": unseen & several,
        "others, one word": ~unseen & ~several,
        "others, several words": ~unseen & several,
    }
    print(f"{len(contexts):,} mentions; {encoder.description}\n")
    print(f"| types | number | {' | '.join(scores)} |")
    print("|---" * (len(scores) + 2) + "|")
    per_type = {name: figures(of_way, types) for name, of_way in scores.items()}
    for name, chosen in groups.items():
        cells = " | ".join(f"{each[chosen].mean():.3f}" for each in per_type.values())
        print(f"| {name} | {chosen.sum()} | {cells} |")


if __name__ == "__main__":
    main()
