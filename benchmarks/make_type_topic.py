"""Build the labeled set for search by type and topic from Simple English Wikipedia.

python benchmarks/make_type_topic.py --data ../shared/data

An article is *of a type* if its first sentence says so ("Metapán is a city in El Salvador": city),
and *on a topic* if its text has one of the topic's words. A query is a type and a topic; relevant
articles are of the type and on the topic. For each query, articles are sampled that are relevant,
of the type only, and on the topic only. An article that is not defined as of the type but contains
the type's word is left unjudged (it may well mention one).
"""

import argparse
import json
import lzma
import random
import re
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent / "type_topic"
LENGTH = (120, 450)  # characters of a text
RELEVANT, OTHERS, PER_TYPE, QUERIES = 8, 6, 4, 80

TYPES = {
    "river": "river", "lake": "lake", "mountain": "mountain", "volcano": "volcano",
    "island": "island", "city": "city", "village": "village", "castle": "castle",
    "airport": "airport", "university": "university", "football club": "(?:football|soccer) club",
    "footballer": "footballer|football player", "politician": "politician", "singer": "singer",
    "band": "band", "actor": "actor", "movie": "movie|film", "writer": "writer|author|novelist",
    "poet": "poet", "composer": "composer", "painter": "painter",
    "scientist": "scientist|physicist|chemist|biologist",
    "dinosaur": "dinosaur", "bird": "bird", "fish": "fish", "plant": "plant|tree|shrub",
    "language": "language", "newspaper": "newspaper", "company": "company", "song": "song",
    "album": "album", "novel": "novel", "video game": "video game",
    "television series": "television series|tv series",
    "bridge": "bridge", "stadium": "stadium", "museum": "museum", "battle": "battle",
    "journalist": "journalist", "ship": "ship|battleship|cruiser",
}  # fmt: skip
TOPICS = {
    "found in Argentina": "Argentin", "in the Netherlands": "Netherlands|Dutch",
    "from Norway": "Norw", "something Japanese": "Japan", "in Brazil": "Brazil",
    "about Russia and the Soviet Union": "Russia|Soviet", "in Switzerland": "Swiss|Switzerland",
    "in Turkey": "Turkish|Turkey", "from India": "India|Indian", "in Mexico": "Mexic",
    "from South Korea": "Korea", "in Australia": "Australia", "in Romania": "Romania",
    "in Sweden": "Swed", "from Poland": "Poland|Polish", "in Scotland": "Scot",
    "in Egypt": "Egypt", "from China": "China|Chinese", "in Canada": "Canad",
    "in Italy": "Ital", "in Spain": "Spain|Spanish", "in California": "California",
    "in Indonesia": "Indonesia", "in Iceland": "Iceland", "in Chile": "Chile",
    "the Second World War": "World War II|Second World War|Nazi",
    "the First World War": "World War I\\b|First World War",
    "the Olympic Games": "Olympi", "vampires, ghosts and horror": "vampire|horror|ghost",
    "science fiction and space": "science fiction|spaceship|outer space",
    "heavy metal music": "metal band|heavy metal|metal music", "jazz": "jazz",
    "hip hop and rap": "hip hop|rapper|\\brap\\b", "Disney cartoons": "Disney",
    "religion and the church": "church|bishop|Catholic", "winner of the Nobel Prize": "Nobel",
    "children and fairy tales": "children's|fairy tale", "the Jurassic period": "Jurassic",
    "the Cretaceous period": "Cretaceous", "endangered species": "endangered|extinct",
    "computers and software": "computer|software", "opera": "opera\\b|operas",
    "crime and murder": "murder|crime", "medicine and doctors": "medicine|physician|medical",
}  # fmt: skip
WORDS = {name: re.compile(rf"\b(?:{words})s?\b", re.I) for name, words in TYPES.items()}
ON = {name: re.compile(rf"\b(?:{words})") for name, words in TOPICS.items()}
DEFINED = {
    name: re.compile(
        r"^[^.]{2,90}? (?:is|was|are|were) (?:an?|the|one of the) (?:[\w'-]+ ){0,4}?"
        rf"(?:{words})s?"
        r"(?=[,.;]| (?:in|of|from|that|which|who|located|near|and|on|by|with|based|for|found)\b)",
        re.I,
    )
    for name, words in TYPES.items()
}


def read(data: Path) -> list[dict]:
    """Articles that are long enough, truncated at the end of a sentence."""
    articles = []
    with lzma.open(data / "wikipedia" / "simple.jsonl.xz", "rt", encoding="utf-8") as file:
        for number, line in enumerate(file):
            article = json.loads(line)
            text = article["text"].replace("\n", " ")[: LENGTH[1]]
            text = text[: text.rfind(". ") + 1] if len(article["text"]) > LENGTH[1] else text
            if len(text) < LENGTH[0]:
                continue
            types = [name for name, pattern in DEFINED.items() if pattern.search(text)]
            if types:
                topics = [name for name, pattern in ON.items() if pattern.search(text)]
                articles.append(
                    {"id": f"s{number}", "title": article["title"], "text": text,
                     "types": types, "topics": topics}
                )  # fmt: skip
    return articles


def main() -> None:
    """Sample queries and articles, and write them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    articles = read(parser.parse_args().data)
    draw = random.Random(17)
    of_type, on_topic, both = defaultdict(list), defaultdict(list), defaultdict(list)
    for article in articles:
        for kind in article["types"]:
            of_type[kind].append(article)
            for topic in article["topics"]:
                both[kind, topic].append(article)
        for topic in article["topics"]:
            on_topic[topic].append(article)
    pairs = [pair for pair, found in both.items() if len(found) >= 4]
    draw.shuffle(pairs)
    queries: list[tuple[str, str]] = []
    used: dict[str, int] = defaultdict(int)
    for kind, topic in pairs:
        if used[kind] < PER_TYPE and used[topic] < PER_TYPE + 1 and len(queries) < QUERIES:
            queries.append((kind, topic))
            used[kind] += 1
            used[topic] += 1
    chosen: dict[str, dict] = {}
    for kind, topic in queries:
        type_only = [a for a in of_type[kind] if topic not in a["topics"]]
        topic_only = [a for a in on_topic[topic] if not WORDS[kind].search(a["text"])]
        for pool, n in ((both[kind, topic], RELEVANT), (type_only, OTHERS), (topic_only, OTHERS)):
            chosen.update({a["id"]: a for a in draw.sample(pool, min(n, len(pool)))})
    HERE.mkdir(exist_ok=True)
    with (HERE / "articles.jsonl").open("w", encoding="utf-8") as file:
        for each in chosen.values():
            row = {name: each[name] for name in ("id", "title", "text")}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    with (HERE / "queries.jsonl").open("w", encoding="utf-8") as file:
        for number, (kind, topic) in enumerate(queries):
            relevant = [a["id"] for a in chosen.values()
                        if kind in a["types"] and topic in a["topics"]]  # fmt: skip
            skipped = [a["id"] for a in chosen.values()
                       if kind not in a["types"] and WORDS[kind].search(a["text"])]  # fmt: skip
            row = {"type": kind, "topic": topic, "part": ("tune", "report")[number % 2],
                   "relevant": relevant, "unjudged": skipped}  # fmt: skip
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    print(f"{len(queries)} queries, {len(chosen)} articles")


if __name__ == "__main__":
    main()
