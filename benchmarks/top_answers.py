"""Precision of the top ten mentions for 42 descriptions, judged by definitions of their names.

python benchmarks/top_answers.py MINED [--data ../shared/data] [--encoder FOLDER] [--read 50]

MINED is a folder written by `ner-retriever train mine`. The corpus is 5,000 article beginnings (500
characters) of Simple English Wikipedia; mentions are detected, and known names are switched off, so
that the encoder does not look up what it is judged by. The descriptions were chosen before any
answer was inspected. An answer

- *repeats* if it has no word but the description's, or is in lower case and ends in its head noun;
- is *right* if a mined definition of the name ends in an accepted head noun, or its own sentence
  continues "... is a ..." with one; *wrong* if its definitions are known and none does;
- is left out if nothing is known about it.

Also prints the best score for 30 descriptions without an answer there. --read N prints N answers.
"""

import argparse
import json
import lzma
import random
import re
from pathlib import Path

import numpy as np

from ner_retriever_rag import Document, EntityIndex, TypeAwareEncoder
from ner_retriever_rag.encoder.names import name_key
from ner_retriever_rag.queries.english import singular
from ner_retriever_rag.queries.repetition import Repetition
from ner_retriever_rag.training.hierarchy import head_noun

# Maps a description to the head nouns accepted in an answer's definitions.
ACCEPTED = {
    "dinosaur": "dinosaur genus",
    "volcano": "volcano stratovolcano mountain",
    "programming language": "language",
    "lighthouse": "lighthouse",
    "river": "river tributary stream",
    "lake": "lake reservoir loch",
    "mountain": "mountain peak volcano stratovolcano summit",
    "island": "island atoll archipelago islet",
    "city": "city town capital municipality",
    "country": "country nation state republic kingdom",
    "football club": "club team",
    "baseball player": "player pitcher baseman outfielder catcher shortstop",
    "footballer": "footballer player goalkeeper midfielder striker defender forward",
    "film": "film movie",
    "novel": "novel book",
    "song": "song single",
    "album": "album",
    "rock band": "band group duo trio",
    "painter": "painter artist",
    "composer": "composer musician",
    "scientist": "scientist physicist chemist biologist astronomer mathematician botanist "
    "zoologist geologist naturalist biochemist paleontologist engineer inventor",
    "actor": "actor actress comedian",
    "politician": "politician president minister senator governor chancellor leader statesman "
    "mayor",
    "king": "king monarch emperor ruler",
    "battle": "battle siege",
    "war": "war conflict",
    "religion": "religion faith",
    "university": "university college institute school",
    "airport": "airport airfield",
    "railway station": "station",
    "bridge": "bridge viaduct",
    "newspaper": "newspaper daily tabloid",
    "television series": "series show sitcom drama program programme",
    "video game": "game",
    "car manufacturer": "manufacturer company maker automaker corporation marque brand",
    "disease": "disease disorder syndrome infection illness condition cancer",
    "chemical element": "element metal gas metalloid",
    "bird": "bird species genus duck eagle owl parrot penguin finch family gull",
    "moon of Saturn": "moon satellite",
    "planet": "planet",
    "language": "language dialect",
    "superhero": "superhero character superheroine",
}
NO_ANSWER = [
    "blockchain startup", "Finnish curling player", "brand of electric toothbrush", "podcast host",
    "submarine cable", "Estonian ballet dancer", "type of knitting stitch", "Martian rover wheel",
    "sake brewery", "quantum error correcting code", "kitchen robot", "Bolivian wrestler",
    "tax form", "antipsychotic", "hedge fund manager", "JavaScript framework", "lip balm brand",
    "Maltese submarine", "chess engine", "mattress company", "cryptocurrency exchange",
    "roller derby team", "nail polish colour", "gene therapy trial", "yoga studio",
    "airline loyalty programme", "sudoku champion", "smartwatch operating system",
    "paint pigment supplier", "Faroese rapper",
]  # fmt: skip
ARTICLES, CHARACTERS = 5_000, 500
IS_A = re.compile(r"\W*(?:\([^)]*\)\W*)?(?:is|was|are|were)\s+(?:an?|the|one of the)\s+([^.;,]*)")


def corpus(data: Path) -> list[Document]:
    """Beginnings of articles, spread over the whole file."""
    with lzma.open(data / "wikipedia" / "simple.jsonl.xz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"][:CHARACTERS].strip() for line in lines]
    step = len(texts) // ARTICLES
    return [Document(text) for text in dict.fromkeys(texts[::step]) if text][:ARTICLES]


def definitions(mined: Path) -> dict[str, set[str]]:
    """The head nouns of each name's definitions."""
    heads: dict[str, set[str]] = {}
    with lzma.open(mined / "names.jsonl.xz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            known = heads.setdefault(name_key(row["name"]), set())
            known.update(head_noun(phrase).split()[0] for phrase in row["types"])
    return heads


def judge(match, text: str, accepted: set[str], heads: dict[str, set[str]]) -> bool | None:
    """Whether an answer is right; None if nothing is known about it."""
    definition = IS_A.match(text, match.end)
    if definition and accepted & set(re.findall(r"\w+", definition[1].lower())):
        return True
    known = heads.get(name_key(match.text))
    return bool(accepted & known) if known else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mined", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--no-sharpen", action="store_true")
    parser.add_argument("--read", type=int, default=0)
    args = parser.parse_args()
    encoder = TypeAwareEncoder.from_pretrained(args.encoder, names=False)
    index = EntityIndex(encoder=encoder)
    index.add(corpus(args.data), progress=True)
    heads = definitions(args.mined)
    right, wrong, repeats, answers = 0, 0, 0, []
    for description, nouns in ACCEPTED.items():
        accepted, repetition = set(nouns.split()), Repetition(description)
        found = index.search_mentions(description, k=10, sharpen=not args.no_sharpen)
        for match, document in zip(found, index.get([m.doc_id for m in found]), strict=True):
            lower = match.text == match.text.lower() and document.text != document.text.lower()
            ends = singular(match.text.lower().split()[-1]) == singular(description.split()[-1])
            repeats += (again := repetition.covers(match.text) or (lower and ends))
            verdict = False if again else judge(match, document.text, accepted, heads)
            right, wrong = right + (verdict is True), wrong + (verdict is False)
            answers.append((description, match, verdict))
    unanswered = [index.search_mentions(each, k=1)[0].score for each in NO_ANSWER]
    print(f"right of those judged: {right / (right + wrong):.3f} ({right} of {right + wrong})")
    print(f"only repeat the words: {repeats} of {len(answers)}")
    best = np.array([match.score for _, match, _ in answers[::10]])
    print(f"best score, descriptions with answers: median {np.median(best):.2f}")
    print(f"best score, {len(NO_ANSWER)} without: median {np.median(unanswered):.2f}, "
          f"at 0.5 or more {np.mean(np.array(unanswered) >= 0.5):.2f}")  # fmt: skip
    for description, match, verdict in random.Random(0).sample(answers, args.read):
        print(f"{description}\t{match.score:.2f}\t{verdict}\t{match.text}")


if __name__ == "__main__":
    main()
