"""Type phrases from definitions: "Dissection was a Swedish metal band" -> "Swedish metal band".

The parts of speech come from the pattern tagger that ``textblob`` bundles (no download). The
noun-phrase grammar on top is our own, since a definition needs more than a chunker: "one of the
largest cities" is a city, "a species of beetle" is a beetle, "an actor and film director" is both.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from ner_retriever_rag._imports import require
from ner_retriever_rag.queries.english import singular

COPULAS = {"is", "was", "are", "were"}
# "a kind of X" is an X. The second group also names a class of its own: "a species of beetle".
_TRANSPARENT = set(
    """
    kind type form variety sort piece style example class branch subset version variant name
    term brand make model group set collection pair series family line range order
    """.split()
)
_TAXA = {"species", "genus", "subspecies", "breed", "cultivar", "hybrid"}
_EMPTY = set(
    """
    one name term part member number result example list way thing word title use set lot
    means fact subject end son daughter brother sister wife husband father mother child home
    seat site case time anything something someone anyone area place form type kind version
    variety class section component resident native recipient winner holder abbreviation
    acronym surname combination difference situation event process half majority rest first
    second third last born known series group piece pair style collection branch
    contemporary descendant cousin nephew grandson twin friend graduate nickname spelling
    plural alias page
    """.split()
)
_VAGUE = set(
    """
    famous well-known notable noted important major main principal popular small large big
    little former current retired late new old upcoming proposed defunct prominent renowned
    celebrated common several many various other certain only same single first last second
    third fourth fifth sixth seventh eighth ninth tenth leading influential great long short
    early modern young veteran award-winning acclaimed best-known best-selling critically
    tall rare senior junior eponymous debut final next original official unique typical
    traditional annual populous medium-sized tiny very highly newly recently now also
    currently formerly widely most more inhabited located based born self-titled so-called
    present active fictional-
    """.split()
)
_STOP_NOUN = {"people", "persons", "men", "women"}
_SKIP_AFTER_COPULA = set(
    """
    also now currently formerly originally once still usually generally often sometimes
    probably primarily mainly today perhaps commonly typically both either simply officially
    historically
    """.split()
)
_CONJUNCTIONS = {",", "and", "or", "&", "/"}
_PARTICIPLES = set(
    """
    broadcasting serving representing playing starting consisting featuring covering
    providing connecting containing operating operational belonging
    """.split()
)
_PARTITIVES = {"one", "two", "three", "some", "any"}
_LONGEST = 4  # words of a plural type
_DETERMINERS = {"a", "an", "the", "any", "some", "its", "their", "his", "another"}
Tagged = tuple[str, str]  # a word and its part-of-speech tag
_TOKEN = re.compile(r"[^\W_]+(?:['’.&/\-–+][^\W_]+)*|\S")
_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]")


@dataclass(frozen=True, slots=True)
class TypePhrase:
    """A cleaned noun phrase that names a type; ``words[-1]`` is its head noun, singular."""

    words: tuple[str, ...]
    coordinated: bool = False

    @property
    def head(self) -> str:
        """The head noun, lower-cased."""
        return self.words[-1].lower()

    @property
    def text(self) -> str:
        """The phrase as a user would type it."""
        return " ".join(self.words)

    def grains(self) -> list[str]:
        """The phrase and its shorter suffixes, finest first: "metal band", "band"."""
        return [" ".join(self.words[i:]) for i in range(len(self.words))]


def strip_brackets(sentence: str) -> str:
    """Remove parentheses and square brackets with their content, nested ones too."""
    while (shorter := _BRACKETS.sub("", sentence)) != sentence:
        sentence = shorter
    return sentence


def defined_types(sentence: str) -> list[TypePhrase]:
    """The types that a definition gives its subject, best first; empty if it is not one.

    Args:
        sentence: An article's first sentence, "X (born 1970) is a Y and Z from W."

    Raises:
        ImportError: If ``textblob`` is not installed.
    """
    tokens = _TOKEN.findall(strip_brackets(sentence)[:400])
    copula = next((i for i, t in enumerate(tokens) if t in COPULAS and i > 0), None)
    if copula is None:
        return []
    return list(_complements(_Cursor(_tag(tokens)[copula + 1 :])))


def plural_type(text: str) -> TypePhrase | None:
    """The type that a text ends with in the plural: "many small citrus fruits" -> "citrus fruit".

    Args:
        text: The beginning of a sentence.

    Returns:
        The type; None if the text does not end with a plural noun that can be one.

    Raises:
        ImportError: If ``textblob`` is not installed.
    """
    tagged = _tag(_TOKEN.findall(text))
    first = len(tagged)
    while first and _is_nominal(*tagged[first - 1]):
        first -= 1
    if first == len(tagged) or tagged[-1][1] != "NNS":
        return None
    return _clean(tagged[first:][-_LONGEST:], coordinated=False)


def _tag(tokens: Sequence[str]) -> list[Tagged]:
    """Tag tokens with their parts of speech."""
    parsed = (
        require("textblob.en", extra="train")
        .parse(" ".join(tokens), tokenize=False, chunks=False)
        .split(" ")
    )
    return [tuple(token.rsplit("/", 1)) for token in parsed]


def _is_nominal(word: str, tag: str) -> bool:
    if tag.startswith(("NN", "JJ", "FW")) or tag in {"VBG", "VBN", "CD"}:
        return word[0].isalnum()
    return word == "-" or (tag.startswith("RB") and word.lower() in _VAGUE)


class _Cursor:
    """A position in a tagged sentence; ``word`` and ``tag`` come next, both empty at the end."""

    def __init__(self, tagged: Sequence[Tagged]) -> None:
        self._tagged, self._at = tagged, 0
        self._look()

    def _look(self) -> None:
        more = self._at < len(self._tagged)
        self.word, self.tag = self._tagged[self._at] if more else ("", "")
        self.low = self.word.lower()

    def ahead(self, count: int) -> Sequence[Tagged]:
        """The next ``count`` words with their tags."""
        return self._tagged[self._at : self._at + count]

    def skip(self, count: int = 1) -> None:
        """Advance by ``count`` words."""
        self._at += count
        self._look()

    def skip_all(self, words: Container[str]) -> bool:
        """Skip all of these words; return whether there was one."""
        start = self._at
        while self.word and self.low in words:
            self.skip()
        return self._at > start

    def nominals(self) -> list[Tagged]:
        """Consume the words that can be in a noun phrase."""
        taken = []
        while self.word and _is_nominal(self.word, self.tag):
            taken.append((self.word, self.tag))
            self.skip()
        return taken

    def skip_determiner(self) -> bool:
        """Skip "a", "the" and "one of the"; return whether there was a determiner."""
        while True:
            determiner = self.low in _DETERMINERS
            self.skip(determiner)
            if not (self.low in _PARTITIVES and [w for w, _ in self.ahead(2)][1:] == ["of"]):
                return determiner
            self.skip(2)


def _complements(cursor: _Cursor) -> Iterator[TypePhrase]:
    """Parse "a Y and Z of ..." into its coordinated noun phrases."""
    cursor.skip_all(_SKIP_AFTER_COPULA | {","})
    coordinated = False
    while cursor.word:
        has_determiner = cursor.skip_determiner()
        if not (has_determiner or coordinated) and cursor.tag in {"VBN", "VBG"}:
            return  # "is located in", "are used to"
        words = cursor.nominals()
        if not words or words[-1][0].lower() == "member":
            return  # what follows "member of" is not a type: "a member of the National Assembly"
        if cursor.word == "of" and words[-1][0].lower() in _TRANSPARENT | _TAXA:
            cursor.skip()
            yield from _inner(cursor, words[-1][0].lower(), coordinated)
            return
        complement = _bare_complement(cursor.ahead(3))
        if words[-1][1].startswith("JJ") and cursor.word in _CONJUNCTIONS:
            words = []  # "a public and private university": no noun yet
        if (phrase := _clean(words, coordinated, complement)) is not None:
            yield phrase
        coordinated = cursor.skip_all(_CONJUNCTIONS)
        if not coordinated or not _has_next_phrase(cursor):
            return


def _inner(cursor: _Cursor, outer: str, coordinated: bool) -> Iterator[TypePhrase]:
    """The type after "a kind of", also with the outer noun where that is informative."""
    inner = next(_complements(cursor), None)
    if inner is None:
        return
    if outer in _TAXA or outer in {"series", "group", "family"}:
        yield TypePhrase((*inner.words, outer), coordinated)
    if outer not in {"series", "group", "family", "collection", "set"}:
        yield TypePhrase(inner.words, coordinated)


def _has_next_phrase(cursor: _Cursor) -> bool:
    """Whether another noun phrase follows a conjunction or comma."""
    if cursor.tag in {"VBN", "VBG", "CD"}:
        return False
    return bool(cursor.word) and (
        _is_nominal(cursor.word, cursor.tag) or cursor.low in _DETERMINERS
    )


def _bare_complement(following: Sequence[Tagged]) -> str:
    """The " of water" that makes "body" a type: a bare noun with nothing nominal after it."""
    if len(following) < 2 or following[0][0] != "of" or not following[1][1].startswith("NN"):
        return ""
    if not following[1][0].islower() or (len(following) > 2 and _is_nominal(*following[2])):
        return ""
    return f" of {following[1][0]}"


def _clean(words: Sequence[Tagged], coordinated: bool, complement: str = "") -> TypePhrase | None:
    """Drop words that do not name the type: leading superlatives, numbers, "famous", "former"."""
    kept = [
        (word, tag)
        for word, tag in words
        if tag not in {"CD", "JJS", "RB", "RBS", "RBR"}
        and word.lower() not in _VAGUE
        and not any(c.isdigit() for c in word)
    ]
    # "a novel written by", "a bridge connecting"
    while kept and (kept[-1][1] in {"VBN", "VBG"} or kept[-1][0] in _PARTICIPLES):
        kept.pop()
    if not kept or len(kept) > 5 or "-" in [w for w, _ in kept]:
        return None
    head, tag = kept[-1]
    if tag in {"NNS", "NNPS"} or (tag != "NNP" and head.endswith("s") and len(head) > 4):
        head = singular(head)
    if not head.isascii() or not head.replace("-", "").isalpha() or len(head) < 3:
        return None
    if head.lower() in _STOP_NOUN or (head.lower() in _EMPTY and not complement):
        return None
    if head[0].isupper():  # a proper name
        return None
    return TypePhrase((*(w for w, _ in kept[:-1]), head + complement), coordinated)
