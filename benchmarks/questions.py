"""How well questions are parsed. Set: benchmarks/questions/questions.jsonl, 200 of our own.

python benchmarks/questions.py [--errors dev] [--out FILE]

Lines 1, 3, 5, ... are the dev half, on which the rules were tuned; the others are the test half.
Writes benchmarks/results/questions.md.
"""

import argparse
import json
from pathlib import Path

from ner_retriever_rag.questions.questions import parse_question

HERE = Path(__file__).parent
WRITTEN = HERE / "results" / "questions.md"
ROWS = [
    "questions",
    "of them without a type",
    "type right, exactly",
    "type right, of those with one",
    "no type: precision",
    "no type: recall",
    "topic right, exactly",
    "topic, F1 of words",
]
HEAD = """# Questions

What `ner_retriever_rag.questions.questions.parse_question` makes of the 200 questions in
`benchmarks/questions/questions.jsonl` (`python benchmarks/questions.py`). The even lines are the
test half; the rules were tuned on the odd lines only. The first run on the test half had 0.970 of
the types right; its errors were not inspected, but bugs found later with other sentences were
fixed. Questions and rules have the same author, so these figures show how the rules do on more
questions of these forms, not how they do on other people's.

A type is right if it is one of the accepted ones, ignoring case; if a question asks for no type,
the only right answer is none. The topic is compared where there is a type.

"""


def accepted(row: dict) -> list[str | None]:
    kinds = row["type"] if isinstance(row["type"], list) else [row["type"]]
    return [kind and kind.lower() for kind in kinds]


def overlap(found: str | None, wanted: str | None) -> float:
    """F1 over distinct words."""
    ours, gold = (set((topic or "").lower().split()) for topic in (found, wanted))
    return 2 * len(ours & gold) / (len(ours) + len(gold)) if ours or gold else 1.0


def figures(rows: list[dict]) -> list[str]:
    parsed = [parse_question(row["question"]) for row in rows]
    pairs = list(zip(rows, parsed, strict=True))
    right = [(one.type and one.type.lower()) in accepted(row) for row, one in pairs]
    none_said = [one.type is None for one in parsed]
    none_gold = [row["type"] is None for row in rows]
    both = sum(predicted and gold for predicted, gold in zip(none_said, none_gold, strict=True))
    typed = [n for n, none in enumerate(none_gold) if not none]
    topics = [(parsed[n].topic, rows[n]["topic"]) for n in typed]
    shares = [
        sum(right) / len(rows),
        sum(right[n] for n in typed) / len(typed),
        both / max(1, sum(none_said)),
        both / sum(none_gold),
        sum(found == wanted for found, wanted in topics) / len(typed),
        sum(overlap(found, wanted) for found, wanted in topics) / len(typed),
    ]
    return [str(len(rows)), str(sum(none_gold)), *(f"{share:.3f}" for share in shares)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--errors", choices=["dev", "test"], help="print the errors on a half")
    parser.add_argument("--out", type=Path, default=WRITTEN)
    arguments = parser.parse_args()
    lines = (HERE / "questions" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    halves = {"dev": rows[0::2], "test": rows[1::2]}
    columns = [figures(half) for half in halves.values()]
    table = ["| | dev | test |", "|---|---|---|"]
    table += [
        f"| {name} | {dev} | {test} |" for name, dev, test in zip(ROWS, *columns, strict=True)
    ]
    arguments.out.write_text(HEAD + "\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))
    for row in halves.get(arguments.errors, []):
        one = parse_question(row["question"])
        if (one.type and one.type.lower()) not in accepted(row) or one.topic != row["topic"]:
            print(f"{row['question']}\n    {one.type!r}, {one.topic!r}")
            print(f"    {row['type']!r}, {row['topic']!r}")


if __name__ == "__main__":
    main()
