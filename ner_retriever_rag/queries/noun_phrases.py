"""Where a noun phrase ends, and which kind of thing it names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

from ner_retriever_rag.queries.english import (
    AUXILIARIES,
    CLAUSE_WORDS,
    DETERMINERS,
    NO_KIND,
    PREPOSITIONS,
    SUPERLATIVES,
    VAGUE,
    is_noun,
    is_past,
    is_plural,
    is_verb,
    singular,
)

_ENDS = AUXILIARIES | PREPOSITIONS | CLAUSE_WORDS
# "a kind of cheese", "articles about shipwrecks": what counts comes after.
_TRANSPARENT = frozenset(
    "kind type sort form variety name list example instance selection number overview".split()
)
_WRITINGS = frozenset("document article text page passage paragraph post report source".split())
_ABOUT = re.compile(
    r"\s+(?:(?:that|which)\s+(?:mentions?|names?|discuss|(?:talk|is|are)\s+about)"
    r"|about|on|mentioning|regarding|concerning)\s+"
)
# "a species of bear", "a head of state": the type goes on after "of".
_TAXA = frozenset("species subspecies genus breed".split())
_FIXED = frozenset({("head", "state"), ("work", "art"), ("place", "worship"), ("piece", "music")})
# Stand before another noun in the plural, or as they are: "women writers", "fish species".
_ATTRIBUTIVE = frozenset("women men sports arts games species fish sheep deer aircraft".split())
_TOKEN = re.compile(r"\w+(?:[-'’&/.]\w+)*|[^\w\s]")
_POSSESSOR = re.compile(r"((?:[\w-]+\s+){0,3}?[\w-]+?)(?:['’]s|(?<=s)['’])\s+")
_NEVER_OWN = _ENDS - DETERMINERS | {"of"}
_OF = re.compile(r"\s+of\s+")
_AND = re.compile(r"\s+(?:and|or)\s+")
_LONGEST = 20  # tokens looked at for one noun phrase
_JOINING = AUXILIARIES | frozenset("that which who whose there of , - :".split())


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun phrase and what is said about it.

    Attributes:
        type: The kind it names, in the singular.
        topic: The rest of the sentence, with what is no part of the kind: "longest", "Norway" in
            "Norway's cities".
        rest: The text after the phrase.
        determiner: What stands in front, lower-cased: "the", "five"; empty for nothing.
        plural: Whether its head is a plural.
        common: Whether its head is a common noun, not a name.
    """

    type: str
    topic: str
    rest: str
    determiner: str
    plural: bool
    common: bool


def noun_phrase(text: str, at: int, *, counting: bool = False) -> NounPhrase | None:
    """Read a noun phrase.

    Args:
        text: The sentence.
        at: Where in it the phrase begins.
        counting: It follows "how many", where "people" asks for a number.

    Returns:
        None where there is no noun, or one that names no kind of entity ("the reason").
    """
    extra: list[str] = []
    determiner = ""
    while True:
        at, leading = _leading(text, at, extra)
        determiner = determiner or leading
        words, end = _words(text, at)
        if not words:
            return None
        head = singular(words[-1]).lower()
        of, about = _OF.match(text, end), _ABOUT.match(text, end)
        if head in _TRANSPARENT and of:
            at = of.end()
        elif head in _WRITINGS and about:
            at = about.end()
        else:
            break
    if head in NO_KIND or (counting and head == "person") or (is_past(head) and not is_noun(head)):
        return None
    kind, end = _kind(text, words, end)
    rest = text[end:]
    return NounPhrase(
        type=kind,
        topic=" ".join([*extra, clean_topic(rest)]).strip(),
        rest=rest.strip(),
        determiner=determiner,
        plural=is_plural(words[-1]),
        common=words[-1][0].islower(),
    )


def _kind(text: str, words: list[str], end: int) -> tuple[str, int]:
    """What the words of a phrase name, with what belongs to it after them, and where that ends."""
    kind, head = _in_singular(words), singular(words[-1]).lower()
    if of := _OF.match(text, end):
        more, more_end = _words(text, of.end())
        if more and (head in _TAXA or (head, more[0].lower()) in _FIXED):
            kind, end = f"{kind} of {' '.join(more)}", more_end
    if is_plural(words[-1]) and (and_ := _AND.match(text, end)):
        more, more_end = _words(text, and_.end())
        if more and more[-1].islower() and is_plural(more[-1]):
            kind, end = f"{kind} or {_in_singular(more)}", more_end
    return kind, end


def _in_singular(words: list[str]) -> str:
    return " ".join([*words[:-1], singular(words[-1])])


def clean_topic(words: str) -> str:
    """Drop what only joins a topic to its noun: relative pronouns and auxiliaries in front."""
    kept = list(_TOKEN.finditer(words))
    while kept and kept[0][0].lower() in _JOINING:
        kept.pop(0)
    return words[kept[0].start() :].strip(" ,;:") if kept else ""


def _leading(text: str, at: int, extra: list[str]) -> tuple[int, str]:
    """Skip determiners and vague adjectives; superlatives and possessors go to ``extra``.

    Returns:
        Where the noun phrase goes on, and the first determiner.
    """
    determiner = ""
    while True:
        token = _TOKEN.search(text, at)
        if token is None:
            return at, determiner
        possessor = _POSSESSOR.match(text, token.start())
        if possessor and _NEVER_OWN.isdisjoint(possessor[1].lower().split()):
            extra.append(possessor[1].removeprefix("the "))
            at = possessor.end()
            determiner = determiner or "the"
            continue
        low = token[0].lower()
        following = _TOKEN.search(text, token.end())
        if low in SUPERLATIVES and following:
            extra.append(token[0])
            if low in {"most", "least"} and not is_plural(following[0]):
                extra.append(following[0])
                token = following
        elif low in DETERMINERS or low.isdigit():
            determiner = determiner or low
        elif low not in VAGUE:
            return at, determiner
        at = token.end()


def _words(text: str, at: int) -> tuple[list[str], int]:
    """Modifiers and head of the noun phrase that begins here, and where it ends."""
    tokens = list(islice(_TOKEN.finditer(text, at), _LONGEST))
    words: list[str] = []
    for number, token in enumerate(tokens):
        word = token[0]
        following = tokens[number + 1][0] if number + 1 < len(tokens) else ""
        ended = _ends_before(words[-1], word, following) if words else _no_noun(word, following)
        if not word[0].isalnum() or word.lower() in _ENDS or ended:
            break
        # A capital at the beginning of the sentence says nothing.
        words.append(word.lower() if token.start() == 0 and is_noun(word) else word)
    return words, tokens[len(words) - 1].end() if words else at


def _no_noun(word: str, following: str) -> bool:
    """Whether the first word is a verb: "what causes earthquakes"."""
    if is_noun(word) or not is_verb(word):
        return False
    goes_on = following[:1].isalnum() and following.lower() not in _ENDS and not is_verb(following)
    return is_past(word) or (word.endswith("s") and goes_on)


def _ends_before(head: str, word: str, following: str) -> bool:
    """Whether a noun phrase that could end with ``head`` does so before ``word``."""
    low, known, named = word.lower(), is_noun(head), head[0].isupper()
    noun_like = is_noun(word) or is_plural(word)
    if word[0].isdigit():
        return not named
    if is_plural(head):
        if head.lower() in _ATTRIBUTIVE or named:
            return is_verb(word) or not noun_like
        return True
    if word[0].isupper():
        return known and not named
    if low.endswith("ed"):
        return known or not (named or head.endswith("ly"))
    if low.endswith("ing"):
        return known and not (is_noun(following) or is_plural(following))
    if low.endswith("ly") and not noun_like:
        return known
    if low.endswith("s") and is_verb(word) and not is_noun(word):
        return True
    if is_past(word) and not is_noun(word):
        return True
    object_follows = following[:1].isupper() or following.lower() in DETERMINERS
    return known and is_plural(word) and object_follows
