"""Noun phrase parsing: where a noun phrase ends, and which kind of entity it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

from ner_retriever_rag.queries.english import (
    AUXILIARIES,
    CLAUSE_WORDS,
    DETERMINERS,
    NON_ENTITY_NOUNS,
    PREPOSITIONS,
    SUPERLATIVES,
    VAGUE,
    is_noun,
    is_past,
    is_plural,
    is_verb,
    singular,
)

_PHRASE_ENDS = AUXILIARIES | PREPOSITIONS | CLAUSE_WORDS
# "a kind of cheese", "articles about shipwrecks": the type comes after.
_TRANSPARENT = frozenset(
    "kind type sort form variety name list example instance selection number overview".split()
)
_WRITINGS = frozenset("document article text page passage paragraph post report source".split())
_ABOUT = re.compile(
    r"\s+(?:(?:that|which)\s+(?:mentions?|names?|discuss|(?:talk|is|are)\s+about)"
    r"|about|on|mentioning|regarding|concerning)\s+"
)
# "a species of bear", "a head of state": the type continues after "of".
_TAXA = frozenset("species subspecies genus breed".split())
_FIXED = frozenset({("head", "state"), ("work", "art"), ("place", "worship"), ("piece", "music")})
# "Chief executive", "major general": here the adjective is part of a title.
_TITLES = {
    "chief": frozenset(
        "architect constable economist editor engineer executive financial information judge "
        "justice mate medical minister of officer operating rabbi scientific scientist secretary "
        "technical technology".split()
    ),
    "major": frozenset("general league scale".split()),
    "common": frozenset("cold law market".split()),
}
# Nouns that modify another noun in plural or unchanged form: "women writers", "fish species".
_ATTRIBUTIVE = frozenset("women men sports arts games species fish sheep deer aircraft".split())
_TOKEN = re.compile(r"\w+(?:[-'’&/.]\w+)*|[^\w\s]")
_POSSESSOR = re.compile(r"((?:[\w-]+\s+){0,3}?[\w-]+?)(?:['’]s|(?<=s)['’])\s+")
_NON_POSSESSORS = _PHRASE_ENDS - DETERMINERS | {"of"}
_OF = re.compile(r"\s+of\s+")
_AND = re.compile(r"\s+(?:and|or)\s+")
_MAX_TOKENS = 20  # maximum number of tokens examined for a noun phrase
_LINKING_WORDS = AUXILIARIES | frozenset("that which who whose there of , - :".split())


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun phrase and what the sentence says about it.

    Attributes:
        type: The kind it names, in the singular.
        topic: The rest of the sentence, plus words of the phrase that are not part of the kind:
            "longest", "Norway" in "Norway's cities".
        rest: The text after the phrase.
        determiner: Its determiner, lowercased: "the", "five"; empty if there is none.
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
    """Parse a noun phrase.

    Args:
        text: The sentence.
        at: Offset in the sentence at which the phrase begins.
        counting: Whether it follows "how many", where "people" asks for a number.

    Returns:
        The phrase; None if there is no noun, or one that is not a kind of entity ("the reason").
    """
    extra: list[str] = []
    determiner = ""
    while True:
        at, leading = _skip_modifiers(text, at, extra)
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
    if (
        head in NON_ENTITY_NOUNS
        or (counting and head == "person")
        or (is_past(head) and not is_noun(head))
    ):
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
    """The kind that a phrase names, including complements after its words, and its end offset."""
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
    """Strip leading words that only link a topic to its noun: relative pronouns, auxiliaries."""
    kept = list(_TOKEN.finditer(words))
    while kept and kept[0][0].lower() in _LINKING_WORDS:
        kept.pop(0)
    return words[kept[0].start() :].strip(" ,;:") if kept else ""


def _skip_modifiers(text: str, at: int, extra: list[str]) -> tuple[int, str]:
    """Skip determiners and vague adjectives; add superlatives and possessors to ``extra``.

    Returns:
        The offset at which the noun phrase continues, and the first determiner.
    """
    determiner = ""
    while True:
        token = _TOKEN.search(text, at)
        if token is None:
            return at, determiner
        possessor = _POSSESSOR.match(text, token.start())
        if possessor and _NON_POSSESSORS.isdisjoint(possessor[1].lower().split()):
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
        elif low not in VAGUE or _is_title(low, following):
            return at, determiner
        at = token.end()


def _is_title(word: str, following: re.Match[str] | None) -> bool:
    """Whether an otherwise vague word forms a title with the next: "chief executive"."""
    return following is not None and singular(following[0].lower()) in _TITLES.get(word, ())


def _words(text: str, at: int) -> tuple[list[str], int]:
    """The modifiers and head of the noun phrase that begins here, and its end offset."""
    words: list[str] = []
    end = at
    for token, following in _tokens(text, at):
        place = _Boundary(words[-1] if words else "", token[0], following)
        if place.ends_phrase():
            break
        # A capital at the beginning of the sentence is not informative.
        words.append(place.low if token.start() == 0 and is_noun(place.word) else place.word)
        end = token.end()
    return words, end


def _tokens(text: str, at: int) -> Iterator[tuple[re.Match[str], str]]:
    """The next tokens, each with the word that follows it; empty at the end."""
    tokens = list(islice(_TOKEN.finditer(text, at), _MAX_TOKENS))
    for token, after in pairwise([*tokens, None]):
        assert token is not None
        yield token, after[0] if after else ""


@dataclass(frozen=True, slots=True)
class _Boundary:
    """A position before a word, where a noun phrase may end.

    Attributes:
        head: The phrase's last word so far; empty before its first.
        word: The next word.
        following: The word after that; empty at the end.
    """

    head: str
    word: str
    following: str

    def ends_phrase(self) -> bool:
        """Whether ``word`` is not part of the phrase."""
        if not self.word[0].isalnum() or self.low in _PHRASE_ENDS:
            return True
        return self._after_noun() if self.head else self._is_verb_phrase()

    @property
    def low(self) -> str:
        return self.word.lower()

    @property
    def _known(self) -> bool:
        """Whether the phrase could end with its head, as a known noun of a kind."""
        return is_noun(self.head)

    @property
    def _named(self) -> bool:
        return self.head[0].isupper()

    @property
    def _noun_like(self) -> bool:
        return is_noun(self.word) or is_plural(self.word)

    def _is_verb_phrase(self) -> bool:
        """Whether a verb begins here: "what causes earthquakes"."""
        if is_noun(self.word) or not is_verb(self.word):
            return False
        after = self.following
        continues = after[:1].isalnum() and after.lower() not in _PHRASE_ENDS and not is_verb(after)
        return is_past(self.word) or (self.word.endswith("s") and continues)

    def _after_noun(self) -> bool:
        if self.word[0].isdigit():
            return not self._named
        if is_plural(self.head):
            attributive = self.head.lower() in _ATTRIBUTIVE or self._named
            return not attributive or is_verb(self.word) or not self._noun_like
        if self.word[0].isupper():
            return self._known and not self._named
        return self._after_singular()

    def _after_singular(self) -> bool:
        """Decide by the form of a lowercase word: participle, adverb, verb, or plural object."""
        if self.low.endswith("ed"):
            return self._known or not (self._named or self.head.endswith("ly"))
        if self.low.endswith("ing"):
            continues = is_noun(self.following) or is_plural(self.following)
            return self._known and not continues
        if self.low.endswith("ly") and not self._noun_like:
            return self._known
        finite = is_past(self.word) or (self.low.endswith("s") and is_verb(self.word))
        object_follows = self.following[:1].isupper() or self.following.lower() in DETERMINERS
        before_object = self._known and is_plural(self.word) and object_follows
        return (finite and not is_noun(self.word)) or before_object
