"""Which type names are broader than which, mined from the definitions themselves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ner_retriever_rag.queries.english import head_noun
from ner_retriever_rag.training.phrases import TypePhrase

_LEVELS = 3


def broader_terms(
    definitions: Mapping[str, Sequence[TypePhrase]], known: Iterable[str]
) -> dict[str, list[str]]:
    """For every known type name with a definition of its own, the types it is a kind of.

    "A band is a musical group" gives ``{"band": ["musical group", "group"]}``, followed upwards.

    Args:
        definitions: Lower-cased article title to the types its first sentence gives it.
        known: Type names in use, lower-cased.
    """
    direct = {
        name: [g.lower() for g in definitions[name][0].grains() if head_noun(g) != head_noun(name)]
        for name in known
        if definitions.get(name)
    }
    broader: dict[str, list[str]] = {}
    for name in direct:
        reached: list[str] = []
        front = [name]
        for _ in range(_LEVELS):
            front = [
                up
                for term in front
                for up in direct.get(term, ())
                if up not in reached and up != name
            ]
            reached += dict.fromkeys(front)
        if reached:
            broader[name] = reached
    return broader


def kindred_heads(
    entities: Iterable[Sequence[str]], *, share: float = 0.1, least: int = 3
) -> dict[str, set[str]]:
    """Head nouns that often describe the same entity, so that neither is a negative for the other.

    Args:
        entities: For each entity, the head nouns of all its type phrases.
        share: Least share of the rarer noun's entities that the other describes too.
        least: Least number of entities in common.
    """
    alone: Counter[str] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    for heads in entities:
        unique = sorted(set(heads))
        alone.update(unique)
        together.update((a, b) for i, a in enumerate(unique) for b in unique[i + 1 :])
    kindred: defaultdict[str, set[str]] = defaultdict(set)
    for (a, b), n in together.items():
        if n >= least and n >= share * min(alone[a], alone[b]):
            kindred[a].add(b)
            kindred[b].add(a)
    return dict(kindred)
