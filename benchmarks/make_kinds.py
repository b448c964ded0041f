"""Build the vocabulary from which facets are named: frequent type phrases of mined articles.

ner-retriever train mine ... --out mined
python benchmarks/make_kinds.py mined

Keeps phrases of at most three words without names in them ("Norwegian band" is dropped, "band"
kept) that are the type of at least twenty articles, most frequent first.
"""

import argparse
import json
import lzma
from collections import Counter
from pathlib import Path

OUT = Path(__file__).parents[1] / "ner_retriever_rag" / "encoder" / "kinds.txt"
MIN_ARTICLES, MAX_WORDS = 20, 3
# Words with which a first sentence defines its subject without saying what it is.
VAGUE = set(
    "action all area branch center centre class collection concept designation element example "
    "extension figure figures form group head idea image kind list meaning member members name "
    "number one order owner pair part people period person persons piece place point practice "
    "process representative result section series set situation somebody someone something "
    "somewhere source standard state subject symbol system term thing title type unit use version "
    "way word work".split()
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mined", type=Path, help="folder with entities.jsonl.xz")
    counts: Counter[str] = Counter()
    path = parser.parse_args().mined / "entities.jsonl.xz"
    with lzma.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            counts.update(set(json.loads(line)["types"]))
    kept = [
        phrase
        for phrase, count in counts.most_common()
        if count >= MIN_ARTICLES
        and phrase == phrase.lower()
        and len(phrase.split()) <= MAX_WORDS
        and phrase not in VAGUE
        and min(map(len, phrase.split())) > 1
        and not phrase.startswith(("km ", "fictional "))
    ]
    OUT.write_text("".join(f"{phrase}\n" for phrase in kept), encoding="utf-8")
    print(f"{len(kept)} kinds in {OUT.name}")


if __name__ == "__main__":
    main()
