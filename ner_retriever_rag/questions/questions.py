"""Question parsing: the type of entity a question asks for, and its topic.

"Which dinosaurs lived in what is now Argentina?" asks for the type "dinosaur" and the topic "lived
in what is now Argentina", the ``query`` and ``about`` of ``EntityIndex.search``. The rules are for
English and need no tagger: the opening of the question determines where its noun phrase is, and the
phrase ends where a preposition, an auxiliary, a clause or a verb begins. Questions that ask for a
reason, a manner, a date, a quantity or a definition, and yes/no questions, have no type of entity.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ner_retriever_rag.queries.english import AUXILIARIES, is_noun, is_past, is_verb
from ner_retriever_rag.queries.query import Query
from ner_retriever_rag.questions.noun_phrases import NounPhrase, clean_topic, noun_phrase
from ner_retriever_rag.schema import require_text

# Logged by the adapters, with the question.
NO_TYPE = (
    "%r does not ask for a type of entity, so nothing is searched; fallback= takes a retriever for "
    "such questions"
)


@dataclass(frozen=True, slots=True)
class ParsedQuestion:
    """A question, parsed into type and topic.

    Attributes:
        question: The original question.
        type: The kind of entity asked for, in the singular, for ``search``; None if there is none.
        topic: What the question says about it, for ``about``; None if nothing, or without a type.
    """

    question: str
    type: str | None
    topic: str | None


def query_and_topic(
    query: Query | ParsedQuestion, about: str | None
) -> tuple[Query | None, str | None]:
    """The type and topic of a parsed question, or the query as it is.

    Args:
        query: A query, or a parsed question.
        about: The topic to use if the question has none.

    Returns:
        Query and topic; the query is None if the question does not ask for a kind of entity.
    """
    if isinstance(query, ParsedQuestion):
        return query.type, query.topic or about
    return query, about


def parse_question(question: str) -> ParsedQuestion:
    """Parse the type and the topic that a question asks for.

    Args:
        question: A question, a request ("List rivers in Peru"), or a bare phrase.

    Raises:
        TypeError: If it is not a string.
        ValueError: If it is empty.
    """
    text = _IS.sub(r"\1 is", _QUOTES.sub("", require_text(question, "question")))
    text = text.strip().rstrip("?!. ")
    found = _parse(text.lower() if text.isupper() else text)
    if found is None:
        return ParsedQuestion(question, None, None)
    kind, topic = found
    return ParsedQuestion(question, kind, clean_topic(topic) or None)


_IS = re.compile(r"\b(who|what|where)['’]s\b", re.IGNORECASE)
_QUOTES = re.compile(r'["“”„«»]')
_POLITE = re.compile(
    r"""(?:(?:please|and|so|now|hi|hello)\b[\s,]*
    |(?:can|could|would|will)\ you\s+(?:please\s+)?
    |(?:i\ (?:want|need|would\ like)|i'd\ (?:like|love))\ to\ (?=\w)
    |do\ you\ know\s+|(?:please\s+)?help\ me\ (?:to\ )?|let\ me\ (?:see|know|have)\s+
    |i\ (?:want|need)\s+|i\ am\ (?=looking)|i'm\ (?=looking)|(?:know|tell\ me|find\ out|ask)\s+
    (?=(?:\w+\s)?(?:wh|how)))""",
    re.VERBOSE | re.IGNORECASE,
)
_NO_TYPE = re.compile(r"(?:why|when|how(?! many\b)|since when|until when)\b", re.IGNORECASE)
_REQUEST = re.compile(
    r"""(?:list|name|find|show|give|get|recommend|suggest|identify|enumerate|mention|search|look
    |looking|fetch|retrieve|return|see|bring|tell|learn|know|discover|read|collect|gather)
    (?:\s+(?:me|us|out|up))?(?P<links>(?:\s+(?:for|about|of|on))*)\s+""",
    re.VERBOSE | re.IGNORECASE,
)
_FRONTED = r"(?:(?:in|on|at|from|to|by|for|with|of|under|through|near|into|during|against)\s+)?"
_WHO = re.compile(_FRONTED + r"(?P<who>who|whom|whose)\s+", re.IGNORECASE)
_WHERE = re.compile(_FRONTED + r"where\s+", re.IGNORECASE)
_WHICH = re.compile(_FRONTED + r"(?P<word>which|what|how many)\s+", re.IGNORECASE)
_AMONG = re.compile(r"(?:of|among|out of)\s+(?=(?:all|the|these)\b)", re.IGNORECASE)
_COPULA = re.compile(r"(?:is|are|was|were)\s+", re.IGNORECASE)
_THERE = re.compile(r"(?:is|are|was|were)\s+there\s+", re.IGNORECASE)
_OF_A_NAME = re.compile(r"(?:of|in|at|from|for|on|near|by)\s+(?:the\s+)?(?-i:[A-Z])", re.IGNORECASE)
_CALLED = re.compile(r"\s+(?:called|named)$", re.IGNORECASE)
_ANY = re.compile(r"\bany\s+", re.IGNORECASE)
_INSIDE = re.compile(r"\s(?:which|what)\s+", re.IGNORECASE)

_Parsed = tuple[str, str] | None  # type and topic


def _parse(text: str) -> _Parsed:
    start = 0
    while opening := _POLITE.match(text, start):
        start = opening.end()
    if _NO_TYPE.match(text, start):
        return None
    if who := _WHO.match(text, start):
        return _who(text, who)
    if where := _WHERE.match(text, start):
        return "place", text[where.end() :]
    if which := _WHICH.match(text, start):
        return _which(text, which)
    if lead := _AMONG.match(text, start) or _THERE.match(text, start):
        return _named(noun_phrase(text, lead.end()))
    if text[start:].split(" ", 1)[0].lower() in AUXILIARIES:
        return _any(text, start)
    if request := _REQUEST.match(text, start):
        return _requested(text, request)
    return _at_the_end(text, start) or _bare(text, start)


def _who(text: str, who: re.Match[str]) -> _Parsed:
    """A person, or the noun of "who is the president of", "who are some architects"."""
    copula = _COPULA.match(text, who.end())
    phrase = noun_phrase(text, copula.end()) if copula else None
    if phrase and phrase.common and (phrase.determiner or _OF_A_NAME.match(phrase.rest)):
        return _named(phrase)
    return "person", text[who.end() :]


def _which(text: str, which: re.Match[str]) -> _Parsed:
    """The noun after "which", "what" or "how many", or that of "what is the capital of"."""
    copula = _COPULA.match(text, which.end())
    text = text if copula is None else _CALLED.sub("", text)
    if copula is None:
        counting = which["word"].lower().endswith("many")
        return _named(noun_phrase(text, which.end(), counting=counting))
    phrase = noun_phrase(text, copula.end())
    # "What is inflation", "what is an atom", "what are quarks" ask for a definition.
    asked = phrase and phrase.common and phrase.determiner not in {"", "a", "an"}
    return _named(phrase) if asked else None


def _any(text: str, start: int) -> _Parsed:
    """The noun of "does Belgium have any mountains"; other such questions are yes/no questions."""
    any_ = _ANY.search(text, start)
    phrase = noun_phrase(text, any_.end()) if any_ else None
    if not any_ or not phrase:
        return None
    return phrase.type, f"{clean_topic(text[start : any_.start()])} {phrase.topic}"


def _requested(text: str, request: re.Match[str]) -> _Parsed:
    """The noun of "list the rivers of", "find texts that mention a lighthouse"."""
    phrase = noun_phrase(text, request.end())
    if phrase and phrase.common:
        about = "about" in request["links"].lower()
        definite = phrase.determiner in {"", "the"}
        if phrase.plural or not definite or (phrase.determiner == "the" and not about):
            return _named(phrase)
    return _at_the_end(text, request.end())


def _at_the_end(text: str, start: int) -> _Parsed:
    """The noun of "Mozart was born in what city"."""
    for last in _INSIDE.finditer(text, start):
        phrase = noun_phrase(text, last.end())
        if phrase and not phrase.rest:
            return phrase.type, text[start : last.start()]
    return None


def _bare(text: str, start: int) -> _Parsed:
    """A bare phrase, "rivers in Peru", "mayor of Lyon"; not a sentence, "rivers are long"."""
    phrase = noun_phrase(text, start)
    if phrase is None or not phrase.common:
        return None
    follows = phrase.rest.split(" ", 1)[0].lower()
    if follows in AUXILIARIES or (is_verb(follows) and not is_past(follows)):
        return None
    known = is_noun(phrase.type.rsplit(" ", 1)[-1])
    # "Bank of England" is a name, "bank of England" a bank.
    of_a_name = text[start].islower() and _OF_A_NAME.match(phrase.rest)
    alone = known and (not phrase.rest or of_a_name)
    return _named(phrase) if phrase.plural or alone else None


def _named(phrase: NounPhrase | None) -> _Parsed:
    return None if phrase is None else (phrase.type, phrase.topic)
