"""Choose the bundled sample: about 500 short Simple English Wikipedia articles of many kinds.

An article is of a kind if its first sentence says "... is/was a(n)/the ... <kind>". Up to six per
kind are sampled from the short ones with a fixed seed.

    python benchmarks/make_sample.py ../shared/data/wikipedia/simple.jsonl.xz
"""

import argparse
import json
import lzma
import random
import re
from pathlib import Path

KINDS = """\
actor|actress airline airport album anime asteroid author|writer award bacterium|bacteria band
battle bird bridge castle|palace cathedral|church cheese chemical_element city|town comet
company composer currency dance dinosaur disease dog_breed|breed_of_dog earthquake
emperor|king|queen film fish flower football_club|soccer_club football_player|footballer fruit
galaxy|star gemstone|mineral god|goddess holiday|festival hospital
hurricane|tropical_storm|typhoon insect island lake language lighthouse magazine medicine|drug
mountain museum musical_instrument newspaper novel opera painter painting park|national_park
philosopher physicist|chemist|mathematician planet|moon poem political_party politician
programming_language railway_station religion river ship|battleship song spacecraft|satellite
sport stadium television_series|sitcom theatre tree tunnel university video_game volcano war
weapon|rifle|tank website|search_engine""".split()
# Match "programming language" before "language".
KINDS.sort(key=lambda kind: "_" not in kind)
PER_KIND = 6
SHORTEST, LONGEST = 180, 750
OUT = Path(__file__).parent.parent / "ner_retriever_rag" / "cli" / "simple-wikipedia-sample.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("articles", type=Path, help="articles of Simple English Wikipedia")
    source = parser.parse_args().articles
    patterns = {
        kind: re.compile(
            rf"\b(?:is|was|are|were) (?:an?|the)\b[^.,;()]*?\b(?:{kind.replace('_', ' ')})\b"
        )
        for kind in KINDS
    }
    found: dict[str, list[dict[str, str]]] = {kind: [] for kind in KINDS}
    with lzma.open(source, "rt", encoding="utf-8") as lines:
        for line in lines:
            article = json.loads(line)
            text = article["text"]
            if not SHORTEST <= len(text) <= LONGEST or "refer to" in text[:200]:
                continue
            first = text.split(". ")[0][:250]
            for kind, pattern in patterns.items():
                if pattern.search(first):
                    found[kind].append(article)
                    break
    chooser = random.Random(2509_04011)
    chosen = {}
    for kind in KINDS:
        articles = sorted(found[kind], key=lambda article: article["title"])
        for article in chooser.sample(articles, min(PER_KIND, len(articles))):
            chosen[article["title"]] = {"id": article["title"], **article}
        print(f"{kind}: {len(articles)}")
    rows = sorted(chosen.values(), key=lambda row: row["title"])
    OUT.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    print(len(rows), "articles,", OUT.stat().st_size // 1024, "KiB")


if __name__ == "__main__":
    main()
