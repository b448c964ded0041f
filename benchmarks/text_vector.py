"""How close our text vector stays to all-MiniLM-L6-v2's own sentence embedding.

python benchmarks/text_vector.py ../shared/data/wikipedia/enwiki-intros.jsonl.xz [--encoder FOLDER]

Paragraphs of 200 to 1,200 characters, the first 2,000 found, at most one per article; the reference
is sentence-transformers on the same weights (needs the extra [eval]).
"""

import argparse
from itertools import islice
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder.backbone.checkpoints import MINILM, find_checkpoint
from ner_retriever_rag.training.articles import paragraphs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("articles", type=Path, help="articles (JSON Lines) whose paragraphs to use")
    parser.add_argument("--encoder", help="a saved encoder instead of the shipped one")
    args = parser.parse_args()
    texts = list(islice(paragraphs(args.articles), 2000))
    encoder = TypeAwareEncoder.from_pretrained(args.encoder)
    ours = np.stack([e.text_vector for e in encoder.encode(texts, [[]] * len(texts))])
    model = SentenceTransformer(str(find_checkpoint(MINILM)))
    model.max_seq_length = 512
    theirs = model.encode(texts, normalize_embeddings=True)
    cosines = (ours * theirs).sum(axis=1)
    print(f"{len(texts):,} paragraphs")
    print(f"cosine: mean {cosines.mean():.4f}, 10th percentile {np.quantile(cosines, 0.1):.4f}")


if __name__ == "__main__":
    main()
