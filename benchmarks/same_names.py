"""Are mentions of one entity joined, and those of two kept apart? B-cubed on mined names.

python benchmarks/same_names.py ../shared/data [--half test] [--work FOLDER]

The set is built from raw Wikipedia: every paragraph of some articles is a document, and whatever an
article calls its subject is a mention: its title without the parenthesis, the full name that opens
its first sentence, names after "also known as" and the like, a person's surname, a company without
its legal form. Articles are chosen if several share one name (namesakes), if they have such other
names, or if they are in both Wikipedias. Names are split into a dev half, for choosing the
thresholds of `ner_retriever_rag/index/joining.py`, and a test half. The two systems compared are
one entity per name (`name_key`, as in versions before 0.2) and `join`. Writes
benchmarks/results/same_names.md with --out.
"""

import argparse
import json
import lzma
import re
from collections import defaultdict
from hashlib import sha256
from pathlib import Path

import numpy as np
from cleanco import basename

from ner_retriever_rag import TypeAwareEncoder
from ner_retriever_rag.encoder.names import name_key
from ner_retriever_rag.evaluation.metrics import b_cubed
from ner_retriever_rag.index.joining import join

FILES = ["enwiki-core", "simple", "enwiki-slice"]
BRACKETS = re.compile(r"\s*\([^()]*\)$")
FIRST = re.compile(
    r"^(?:The\s+)?([A-Z][^(,;.]{2,50}?)\s*"
    r"(?:\(|, (?:also|commonly|better)|\bis\b|\bwas\b|\bare\b)"
)
ALSO = re.compile(
    r"(?:also (?:known|written|spelled|called)(?: as| simply)?"
    r"|(?:better|commonly|often|usually|simply|formerly|professionally|officially)"
    r" (?:known|called)(?: as| simply)?|abbreviated(?: as)?|or simply) "
    r"[\"“]?((?:[A-Z][\w.'’&-]*)(?: (?:[A-Z][\w.'’&-]*|of|the|de|and))*(?<= [A-Z])?[\w.]*)"
)
PERSON = re.compile(
    r"\bborn\b|\(\s*(?:c\. ?)?(?:\d{1,2} )?(?:[A-Z][a-z]+ )?(?:\d{1,2}, )?\d{3,4}\s*[–-]"
)
MOST_PARAGRAPHS, MOST_ARTICLES = 4, 420  # per article; per kind of article and half
MOST_NAMES = 40_000  # considered


def half_of(name: str) -> str:
    return "test" if sha256(name.lower().encode()).digest()[0] % 2 else "dev"


def articles(data: Path):
    """Every article: title, file, text."""
    for file in FILES:
        with lzma.open(data / "wikipedia" / f"{file}.jsonl.xz", "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield row["title"], file, row["text"]


def names_of(title: str, text: str) -> list[str]:
    """The names that an article uses for its subject, longest first."""
    base, first = BRACKETS.sub("", title), text[:400]
    names = {base}
    if (full := FIRST.match(first)) and full[1].split()[-1] == base.split()[-1]:
        names.add(full[1].strip())
    names.update(alias.rstrip(".,") for alias in ALSO.findall(first) if len(alias) > 2)
    if PERSON.search(first[:160]) and len(base.split()) in (2, 3):
        names.add(base.split()[-1])
    if (bare := basename(base)) != base and len(bare) > 2:
        names.add(bare)
    return sorted((each for each in names if each[:1].isupper()), key=len, reverse=True)


def spans_of(names: list[str], text: str) -> list[tuple[int, int]]:
    """Spans of the names: whole words, not inside a longer name or next to another one."""
    found: list[tuple[int, int]] = []
    for name in names:
        for match in re.finditer(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
            start, end = match.span()
            beside = re.search(r"[A-Z][\w.'’-]* $", text[:start]) or re.match(r" [A-Z]", text[end:])
            inside = any(s < end and start < e for s, e in found)
            # "Smith" after "Bob" is another Smith, "New York" in "New York Times" is no town.
            if not inside and not (beside and (" " not in name or start > 0)):
                found.append((start, end))
    return sorted(found)


def make_set(data: Path) -> list[dict]:
    """Documents with the mentions of one entity each."""
    by_base: dict[str, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    for title, file, text in articles(data):
        by_base[BRACKETS.sub("", title)][title].append((file, text))
    taken: dict[tuple[str, str], int] = defaultdict(int)
    rows = []
    in_any_order = sorted(by_base.items(), key=lambda each: sha256(each[0].encode()).digest())
    for base, titles in in_any_order[:MOST_NAMES]:
        if not base[:1].isupper() or re.search(r"\d|^List of|^The ", base):
            continue
        several = len(titles) > 1
        twice = any(len(copies) > 1 for copies in titles.values())
        named = {t: names_of(t, copies[0][1]) for t, copies in titles.items()}
        aliases = any(len(each) > 1 for each in named.values())
        legal = basename(base) != base
        kind = "namesakes" if several else "legal" if legal else "both" if twice else "aliases"
        if kind in ("both", "aliases") and not aliases:
            continue
        half = half_of(base.split()[-1])  # people with the same surname are in the same half
        if taken[kind, half] >= MOST_ARTICLES:
            continue
        taken[kind, half] += len(titles)
        for title, copies in titles.items():
            for file, text in copies:
                for n, paragraph in enumerate(text.split("\n")[:MOST_PARAGRAPHS]):
                    spans = spans_of(named[title], paragraph[:1_000])
                    if spans:
                        row = {"id": f"{title}/{file}/{n}", "half": half, "kind": kind}
                        text_of_it = {"text": paragraph[:1_000], "spans": spans}
                        rows.append({**row, "entity": title, **text_of_it})
    return rows


def encoded(rows: list[dict], encoder: TypeAwareEncoder, kept: Path):
    """Vectors of all mentions, and the probability that each is a person."""
    if not kept.is_file():
        ones = []
        for start in range(0, len(rows), 64):
            some = rows[start : start + 64]
            ones += encoder.encode([row["text"] for row in some], [row["spans"] for row in some])
        np.save(kept, np.concatenate([one.vectors for one in ones]))
    vectors = np.load(kept)
    person = encoder.encode_types(["person"])[0]
    return vectors, encoder.score(person, vectors @ person)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--half", choices=["dev", "test"], default="test")
    parser.add_argument("--most", type=int, help="maximum number of documents; all by default")
    parser.add_argument("--work", type=Path, default=Path("same-names"))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    args.work.mkdir(exist_ok=True)
    if not (file := args.work / "set.jsonl").is_file():
        file.write_text("".join(json.dumps(row) + "\n" for row in make_set(args.data)))
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows = [row for row in rows if row["half"] == args.half][: args.most]
    encoder = TypeAwareEncoder.from_pretrained()
    kept = args.work / f"{args.half}-{len(rows)}-{encoder.fingerprint[:12]}.npy"
    vectors, people = encoded(rows, encoder, kept)
    mentions = [(row["text"][slice(*span)], n, row) for n, row in enumerate(rows)
                for span in row["spans"]]  # fmt: skip
    names = [name for name, _, _ in mentions]
    documents = np.array([n for _, n, _ in mentions])
    gold = {m: row["entity"] for m, (_, _, row) in enumerate(mentions)}
    by_key: dict[str, list[int]] = defaultdict(list)
    for m, name in enumerate(names):
        by_key[name_key(name)].append(m)
    entities = len(set(gold.values()))
    lines = [
        f"{len(rows):,} documents, {len(mentions):,} mentions of {entities:,} entities",
        "",
        "| | precision | recall | B³ F1 |\n|---|---|---|---|",
    ]
    for system, clusters in {
        "one entity a name": list(by_key.values()),
        "joined": join(names, documents, vectors, people),
    }.items():
        lines.append("| {} | {:.3f} | {:.3f} | {:.3f} |".format(system, *b_cubed(gold, clusters)))
    print("\n".join(lines))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
