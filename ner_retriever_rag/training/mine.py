"""Mine training pairs from articles: entities, the contexts that mention them, their types.

The result is a folder:

``entities.jsonl.xz``
    One entity per line: ``title``, ``types`` (cleaned phrases, finest grain), ``contexts``
    (``[sentence, start, end, kind]``; kind is ``other`` for a sentence of another article, ``own``
    for one of the entity's own article, ``definition`` for that article's first).
``silver.jsonl.xz``
    Sentences with all known names found in them, for the mention detector; ``seen`` is how often a
    name was found overall.
``lists.jsonl.xz``
    One list of instances of a type per line, see :mod:`~ner_retriever_rag.training.hearst`.
``names.jsonl.xz``
    One name per line: ``name``, the ``types`` of everything that bears it, whether it is an
    ``alias``; covers every definition understood, with or without contexts.
``hierarchy.json``
    ``broader`` type names, and ``kindred`` head nouns that must not be negatives of each other.
``report.md``
    Counts, most frequent types, fifty random pairs.
"""

from __future__ import annotations

import json
import lzma
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from ner_retriever_rag.queries.english import head_noun
from ner_retriever_rag.reading.sentences import sentences
from ner_retriever_rag.training import contexts as ctx
from ner_retriever_rag.training.articles import Article, HeldOut, read_articles
from ner_retriever_rag.training.hearst import LISTS, ListedType, lists_in, write_lists
from ner_retriever_rag.training.hierarchy import broader_terms, kindred_heads
from ner_retriever_rag.training.names import NAMES, known_names, write_mined
from ner_retriever_rag.training.phrases import TypePhrase, defined_types

Context = tuple[str, int, int, str]


@dataclass(frozen=True, slots=True)
class MiningOptions:
    """Size limits and the random seed.

    Attributes:
        seed: Seed of every random choice.
        contexts: Maximum number of contexts kept per entity and kind.
        per_head: Maximum number of entities whose first type has the same head noun.
        per_phrase: Maximum number of entities whose first type is the same phrase.
        least_heads: Minimum number of definitions that use a head noun uncoordinated, for it to
            count as a type.
        silver: Maximum number of sentences kept for the mention detector.
    """

    seed: int = 0
    contexts: int = 4
    per_head: int = 2500
    per_phrase: int = 400
    least_heads: int = 3
    silver: int = 40_000


@dataclass(slots=True)
class Entity:
    """The subject of an article, with its types and the contexts that mention it."""

    title: str
    types: list[str]
    contexts: dict[str, list[Context]] = field(default_factory=lambda: defaultdict(list))
    seen: Counter[str] = field(default_factory=Counter)

    def offer(self, context: Context, limit: int, rng: random.Random) -> None:
        """Keep a uniform sample of at most ``limit`` contexts of each kind (reservoir sampling)."""
        kind = context[3]
        kept = self.contexts[kind]
        self.seen[kind] += 1
        if len(kept) < limit:
            kept.append(context)
        elif (place := rng.randrange(self.seen[kind])) < limit:
            kept[place] = context


def mine(
    sources: Sequence[str | Path],
    folder: str | Path,
    *,
    held_out: HeldOut | None = None,
    options: MiningOptions | None = None,
) -> dict[str, int]:
    """Mine ``sources`` into ``folder``.

    Args:
        sources: Sources accepted by :func:`~ner_retriever_rag.training.articles.read_articles`.
        folder: Created if missing; files in it are replaced.
        held_out: Sentences never to keep, such as those of evaluation files.
        options: Size limits and the seed.

    Returns:
        The counts in the report.

    Raises:
        ImportError: If ``textblob`` or ``pyahocorasick`` is not installed.
        ValueError: If nothing could be mined.
    """
    options = options or MiningOptions()
    rng = random.Random(options.seed)
    articles = [a for s in sources for a in tqdm(read_articles(s), desc=f"read {Path(s).name}")]
    definitions = _definitions(articles, options.least_heads)
    entities = {
        t: Entity(t, list(dict.fromkeys(p.text for p in types))) for t, types in definitions.items()
    }
    if not entities:
        raise ValueError("no article's first sentence defines its subject; nothing to mine")
    held_out = held_out or HeldOut()
    names = known_names(articles, definitions, held_out)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_mined(folder / NAMES, names)
    lists = _lists(articles, held_out)
    write_lists(folder / LISTS, lists)
    silver, frequency = _find_contexts(articles, entities, held_out, options, rng)
    kept = _cap(entities, options, rng)
    hierarchy = _hierarchy(definitions, entities)
    with lzma.open(folder / "entities.jsonl.xz", "wt", encoding="utf-8", preset=1) as out:
        for entity in kept:
            flat = [c for kind in ("other", "own", "definition") for c in entity.contexts[kind]]
            row = {"title": entity.title, "types": entity.types, "contexts": flat}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    with lzma.open(folder / "silver.jsonl.xz", "wt", encoding="utf-8", preset=1) as out:
        for sentence, found in silver:
            mentions = [
                {"start": f.start, "end": f.end, "seen": frequency[f.entity]} for f in found
            ]
            out.write(
                json.dumps({"text": sentence, "mentions": mentions}, ensure_ascii=False) + "\n"
            )
    (folder / "hierarchy.json").write_text(
        json.dumps(hierarchy, ensure_ascii=False), encoding="utf-8"
    )
    counts = {
        "articles": len(articles),
        "definitions understood": len(definitions),
        "entities kept": len(kept),
        **{
            f"contexts, {k}": sum(len(e.contexts[k]) for e in kept)
            for k in ("other", "own", "definition")
        },
        "distinct type phrases": len({t.lower() for e in kept for t in e.types}),
        "distinct head nouns": len({head_noun(t) for e in kept for t in e.types}),
        "type names with broader ones": len(hierarchy["broader"]),
        "silver sentences": len(silver),
        "names with types": len(names),
        "lists of instances": len(lists),
    }
    (folder / "report.md").write_text(_report(counts, kept, rng), encoding="utf-8")
    return counts


def _definitions(articles: Iterable[Article], least_heads: int) -> dict[str, list[TypePhrase]]:
    """Map titles to type phrases, over all their articles.

    Head nouns that rarely occur uncoordinated are dropped as noise.
    """
    parsed: defaultdict[str, list[TypePhrase]] = defaultdict(list)
    for article in tqdm(articles, desc="parse definitions"):
        if lead := next(sentences(article.text), ""):
            parsed[article.title] += defined_types(lead)
    heads = Counter(p.head for phrases in parsed.values() for p in phrases if not p.coordinated)
    return {
        title: kept
        for title, phrases in parsed.items()
        if (kept := [p for p in phrases if heads[p.head] >= least_heads])
        and not {"surname", "name", "disambiguation"} & {p.head for p in kept}
    }


def _find_contexts(
    articles: Iterable[Article],
    entities: dict[str, Entity],
    held_out: HeldOut,
    options: MiningOptions,
    rng: random.Random,
) -> tuple[list[tuple[str, list[ctx.EntityMatch]]], Counter[str]]:
    """Fill in the contexts of ``entities``.

    Returns:
        Sentences with all names found in them, and how often each entity was found overall.
    """
    articles = list(articles)
    common = ctx.WordCaseCounts(a.text for a in tqdm(articles, desc="count words"))
    finder = ctx.EntityFinder(ctx.surfaces((a.title for a in articles), common))
    silver: list[tuple[str, list[ctx.EntityMatch]]] = []
    frequency: Counter[str] = Counter()
    offered = 0
    for article in tqdm(articles, desc="find mentions"):
        own_family = ctx.family_name(article)
        for number, sentence in ctx.usable_sentences(article):
            found = finder.find(sentence)
            if own_family and number and not any(f.entity == article.title for f in found):
                if span := ctx.find_name(sentence, own_family):
                    found = [f for f in found if f.end <= span[0] or f.start >= span[1]]
                    found = sorted(
                        [*found, ctx.EntityMatch(*span, article.title)], key=lambda f: f.start
                    )
            if not found or sentence in held_out:
                continue
            frequency.update(f.entity for f in found)
            for f in found:
                own = f.entity == article.title
                if (entity := entities.get(f.entity)) is None or (not own and "(" in f.entity):
                    continue
                kind = "other" if not own else "own" if number else "definition"
                entity.offer((sentence, f.start, f.end, kind), options.contexts, rng)
            offered += 1
            if len(silver) < options.silver:
                silver.append((sentence, found))
            elif (place := rng.randrange(offered)) < options.silver:
                silver[place] = (sentence, found)
    return silver, frequency


def _lists(articles: Iterable[Article], held_out: HeldOut) -> list[ListedType]:
    """Find sentences that list instances of exactly one type."""
    found = []
    for article in tqdm(articles, desc="find lists"):
        for sentence in sentences(article.text):
            lists = lists_in(sentence)
            if len(lists) == 1 and sentence not in held_out:
                found += lists
    return found


def _cap(entities: dict[str, Entity], options: MiningOptions, rng: random.Random) -> list[Entity]:
    """Cap the number of entities per type, preferring those that other articles mention."""
    order = [e for e in entities.values() if any(e.contexts.values())]
    rng.shuffle(order)
    order.sort(key=lambda e: not e.contexts["other"])
    heads: Counter[str] = Counter()
    phrases: Counter[str] = Counter()
    kept = []
    for entity in order:
        phrase, head = entity.types[0].lower(), head_noun(entity.types[0])
        if heads[head] < options.per_head and phrases[phrase] < options.per_phrase:
            heads[head] += 1
            phrases[phrase] += 1
            kept.append(entity)
    rng.shuffle(kept)
    return kept


def _hierarchy(
    definitions: dict[str, list[TypePhrase]], entities: dict[str, Entity]
) -> dict[str, dict[str, list[str]]]:
    lower: dict[str, list[TypePhrase]] = {}
    for title, phrases in definitions.items():
        lower.setdefault(title.lower(), phrases)
    names = Counter(
        g.lower() for phrases in definitions.values() for p in phrases for g in p.grains()
    )
    kindred = kindred_heads([head_noun(t) for t in e.types] for e in entities.values())
    return {
        "broader": broader_terms(lower, [n for n, count in names.items() if count >= 3]),
        "kindred": {head: sorted(others) for head, others in kindred.items()},
    }


def _report(counts: dict[str, int], kept: list[Entity], rng: random.Random) -> str:
    heads = Counter(head_noun(t) for e in kept for t in e.types)
    phrases = Counter(t.lower() for e in kept for t in e.types)
    pairs = [
        (rng.choice(e.types), rng.choice([c for kind in e.contexts.values() for c in kind]))
        for e in rng.sample(kept, min(50, len(kept)))
    ]
    lines = ["# Mining report", "", "| what | number |", "|---|---|"]
    lines += [f"| {name} | {number:,} |" for name, number in counts.items()]
    lines += ["", "## Most frequent head nouns", ""]
    lines += [", ".join(f"{head} {n}" for head, n in heads.most_common(80))]
    lines += ["", "## Most frequent type phrases", ""]
    lines += [", ".join(f"{phrase} {n}" for phrase, n in phrases.most_common(80))]
    lines += ["", "## Fifty random pairs", "", "| type | kind | context |", "|---|---|---|"]
    for phrase, (sentence, start, end, kind) in pairs:
        marked = f"{sentence[:start]}**{sentence[start:end]}**{sentence[end:]}".replace("|", "/")
        lines.append(f"| {phrase} | {kind} | {marked} |")
    return "\n".join(lines) + "\n"
