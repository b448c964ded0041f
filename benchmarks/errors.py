"""Wrong answers to look at: texts in a type's top R that have no gold mention of it.

python benchmarks/errors.py [--data ../shared/data] [--encoder FOLDER] [--n 50]

Drawn from fewnerd-dev, gold spans, the same number from every type, with a fixed seed. Prints the
type asked for, the mention's gold type, and its sentence with the mention in brackets.
"""

import argparse
import random
from pathlib import Path

import numpy as np

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.evaluation.formats import read_lines
from ner_retriever_rag.evaluation.tasks import load_task


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--n", type=int, default=50)
    args = parser.parse_args()
    task = load_task("fewnerd-dev", args.data)
    typed = read_lines(args.data / "fewnerd" / "inter-dev.jsonl")
    gold = {(t.text, start, end): label for t in typed for start, end, label in t.mentions}
    encoder = TypeAwareEncoder.from_pretrained(args.encoder, dtype="bfloat16")
    encoded = encoder.encode(task.texts, task.spans, progress=True)
    owner = np.repeat(np.arange(len(encoded)), [len(e.mentions) for e in encoded])
    mentions = [m for e in encoded for m in e.mentions]
    vectors = np.concatenate([e.vectors for e in encoded])
    rng = random.Random(0)
    for label, query in task.queries.items():
        similar = vectors @ encoder.encode_types([query])[0]
        best: dict[int, int] = {}
        for i in np.argsort(-similar):
            best.setdefault(int(owner[i]), int(i))
            if len(best) == len(task.relevant[label]):
                break
        wrong = [i for text, i in best.items() if text not in task.relevant[label]]
        for i in rng.sample(wrong, min(len(wrong), args.n // len(task.queries))):
            text, m = task.texts[owner[i]], mentions[i]
            shown = f"{text[: m.start]}[{m.text}]{text[m.end :]}"
            print(f"{query}\t{gold[text, m.start, m.end]}\t{similar[i]:.2f}\t{shown}")


if __name__ == "__main__":
    main()
