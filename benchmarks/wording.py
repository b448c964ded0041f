"""Agreement of results between two wordings of a type: 100 pairs of paraphrases.

python benchmarks/wording.py [--data ../shared/data] [--encoder FOLDER] [--read 20]

The corpus is 2,000 article beginnings (400 characters) of Simple English Wikipedia, with detected
mentions. A pair's agreement is the share of one wording's top ten documents that are in the other's
top ten. The pairs (benchmarks/wording/pairs.json: synonyms, plain definitions, regional variants)
were written before any answer was inspected. --read N prints the N pairs that agree least.
"""

import argparse
import json
import lzma
from pathlib import Path

import numpy as np

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.evaluation.encodings import encode_task
from ner_retriever_rag.evaluation.tasks import Task
from ner_retriever_rag.queries.bounds import reranked_mentions
from ner_retriever_rag.search.in_memory_texts import InMemoryTexts

PAIRS = Path(__file__).parent / "wording" / "pairs.json"
ARTICLES, CHARACTERS, BEST = 2_000, 400, 10


def corpus(data: Path) -> Task:
    """Beginnings of articles, spread over the whole file."""
    with lzma.open(data / "wikipedia" / "simple.jsonl.xz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"][:CHARACTERS].strip() for line in lines]
    step = len(texts) // ARTICLES
    texts = [text for text in dict.fromkeys(texts[::step]) if text][:ARTICLES]
    return Task("wikipedia", texts, [[] for _ in texts], {}, {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(".cache/evaluation"))
    parser.add_argument("--no-sharpen", action="store_true")
    parser.add_argument("--rerank", type=int, default=reranked_mentions(None, BEST))
    parser.add_argument("--read", type=int, default=0)
    args = parser.parse_args()
    encoder = TypeAwareEncoder.from_pretrained(args.encoder)
    task = corpus(args.data)
    encoded = encode_task(encoder, task, args.cache, progress=True).detected
    held = InMemoryTexts(encoder, task.texts, encoded)
    pairs = json.loads(PAIRS.read_text(encoding="utf-8"))
    options = {"sharpen": not args.no_sharpen, "rerank": args.rerank}
    best = {
        wording: set(held.rank(wording, **options).order[:BEST].tolist())
        for wording in dict.fromkeys(wording for pair in pairs for wording in pair)
    }
    agreement = np.array([len(best[one] & best[other]) / BEST for one, other in pairs])
    print(f"agreement of the {BEST} best, {len(pairs)} pairs: mean {agreement.mean():.3f}")
    print(f"nothing in common: {int((agreement == 0).sum())} pairs")
    for place in np.argsort(agreement, kind="stable")[: args.read]:
        print(f"{agreement[place]:.1f}\t{' | '.join(pairs[place])}")


if __name__ == "__main__":
    main()
