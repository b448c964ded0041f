"""Print errors for inspection: texts in a type's top R without a gold mention of it.

python benchmarks/errors.py [--data ../shared/data] [--encoder FOLDER] [--n 50]

Sampled from fewnerd-dev with gold spans, through an index with default settings, equally many per
type, with a fixed seed. Prints the queried type, the mention's gold type, its score, and its
sentence with the mention in brackets.
"""

import argparse
import random
from pathlib import Path

from ner_retriever_rag import Document, EntityIndex, TypeAwareEncoder
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
    index = EntityIndex(encoder=TypeAwareEncoder.from_pretrained(args.encoder))
    documents = [Document(text, str(number)) for number, text in enumerate(task.texts)]
    index.add(documents, spans=task.spans, progress=True)
    rng = random.Random(0)
    for label, query in task.queries.items():
        relevant = task.relevant[label]
        best = index.search(query, k=len(relevant), max_matches=1)
        wrong = [match for match in best if int(match.doc_id) not in relevant]
        for match in rng.sample(wrong, min(len(wrong), args.n // len(task.queries))):
            text, (m,) = match.document.text, match.matches
            shown = f"{text[: m.start]}[{m.text}]{text[m.end :]}"
            print(f"{query}\t{gold[text, m.start, m.end]}\t{m.score:.2f}\t{shown}")


if __name__ == "__main__":
    main()
