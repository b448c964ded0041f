"""Roles that a sentence gives to a mention: "was founded by Anna Berg" makes her a founder.

Definitions say what a thing is, seldom what it does in one sentence. The words directly before a
mention often do; what is listed after them has the role as well. (Patterns for relations: Hearst
1992; Brin 1998, "Extracting patterns and relations from the World Wide Web".)
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ner_retriever_rag.training.hearst import ListedType, instances
from ner_retriever_rag.training.judgements import Detect
from ner_retriever_rag.training.occurrences import Kind, kindred, occurrences

_BE = r"(?:is|are|was|were|been|being)"
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
)
_PLACE = rf"(?=[A-Z])(?!{_MONTH}\b)"
_HIS = r"(?:[Hh]is|[Hh]er|[Tt]heir)"
_NAME = r"(?=[A-Z])"
# Descriptions of a role, and the words before who or what has it.
ROLES: dict[tuple[str, ...], str] = {
    ("founder", "person who founded something"): rf"founded (?:\w+ )?by {_NAME}",
    ("owner", "company or person that owns something"): rf"{_BE} (?:now )?owned by {_NAME}",
    ("buyer", "acquirer", "company that bought another"): (
        rf"(?:acquired|bought|purchased|taken over) by {_NAME}|sold to {_NAME}"
    ),
    ("seller",): rf"(?:acquired|bought|purchased) from {_NAME}",
    ("acquired company", "takeover target"): rf"(?:acquired|took over|acquisition of) {_NAME}",
    ("subsidiary",): rf"subsidiar(?:y|ies)(?: of the company)?,? {_NAME}",
    ("manufacturer", "maker"): rf"(?:manufactured|built|made) by {_NAME}",
    ("developer",): rf"developed by {_NAME}",
    ("designer", "architect"): rf"designed by {_NAME}",
    ("inventor",): rf"invented by {_NAME}",
    ("discoverer",): rf"discovered by {_NAME}",
    ("producer",): rf"produced by {_NAME}",
    ("publisher",): rf"published by {_NAME}",
    ("translator",): rf"translated (?:\w+ )*by {_NAME}",
    ("editor",): rf"edited by {_NAME}",
    ("narrator",): rf"narrated by {_NAME}",
    ("sponsor", "funder"): rf"(?:sponsored|funded|financed) by {_NAME}",
    ("employer", "company somebody works for"): (
        rf"(?:works?|worked|working) (?:for|at) {_NAME}|employed (?:by|at) {_NAME}"
    ),
    ("successor",): rf"succeeded by {_NAME}",
    ("predecessor",): rf"{_BE} preceded by {_NAME}|(?:he|she) succeeded {_NAME}",
    ("winner",): rf"{_BE} won by {_NAME}|winner {_BE} {_NAME}",
    ("opponent", "losing side"): rf"(?:defeated|beat|lost to|against) {_NAME}",
    ("killer", "murderer"): rf"(?:murdered|assassinated|killed) by {_NAME}",
    ("victim", "person who was killed"): rf"(?:murder|assassination|killing) of {_NAME}",
    ("wife", "woman somebody married"): rf"[Hh]is (?:\w+ )?wife,? {_NAME}",
    ("husband", "man somebody married"): rf"[Hh]er (?:\w+ )?husband,? {_NAME}",
    ("father",): rf"{_HIS} father,? {_NAME}",
    ("mother",): rf"{_HIS} mother,? {_NAME}",
    ("brother or sister", "sibling"): rf"{_HIS} (?:\w+ )?(?:brother|sister),? {_NAME}",
    ("child", "son or daughter"): rf"{_HIS} (?:\w+ )?(?:son|daughter),? {_NAME}",
    ("teacher", "mentor"): rf"(?:studied (?:\w+ )?under|taught by|student of|pupil of) {_NAME}",
    ("birthplace", "place where somebody was born"): (
        rf"born (?:and raised )?(?:in|at) {_PLACE}"
    ),
    ("date of birth",): r"born (?:on|in) (?=\d|[A-Z][a-z]+ \d)",
    ("place of death",): rf"died (?:at|in) {_PLACE}",
    ("burial place",): rf"buried (?:at|in) {_PLACE}",
    ("venue", "place where an event was held"): rf"held (?:in|at) {_PLACE}",
    ("headquarters", "place where a company is based"): (
        rf"(?:headquartered|headquarters {_BE}|based) (?:in|at) {_PLACE}"
    ),
    ("destination",): rf"(?:moved|travelled|traveled|emigrated|flew|sailed|went) to {_PLACE}",
    ("alma mater", "school somebody attended"): (
        rf"(?:graduated from|(?:studied|educated) (?:\w+ )?at|degree (?:\w+ ){{0,4}}from) {_NAME}"
    ),
    ("namesake", "who or what something is named after"): (
        rf"named (?:after|for|in honou?r of) {_NAME}"
    ),
    ("nickname",): rf"nicknamed [\"“']?{_NAME}",
    ("former name", "old name"): (
        rf"(?:formerly|originally|previously) (?:known as|called|named) {_NAME}"
    ),
    ("pseudonym", "pen name"): rf"(?:pseudonym|pen name|stage name) (?:of )?[\"“']?{_NAME}",
    ("cause of death", "what somebody died of"): r"died (?:of|from) (?=[a-z])",
    ("cause", "what causes something"): r"caused by (?=\w)",
    ("symptom", "sign of an illness"): (
        r"[Ss]ymptoms (?:are|may include|can include|often include|include)? ?(?=[a-z])"
    ),
    ("side effect", "adverse reaction"): (
        r"(?:[Ss]ide|[Aa]dverse) effects (?:are|may include|can include|include) (?=[a-z])"
    ),
    ("material", "what something is made of"): r"made (?:out )?(?:of|from) (?=[a-z])",
    ("ingredient",): r"(?:made with|flavou?red with|seasoned with|topped with|contains) (?=[a-z])",
    ("food of an animal", "prey"): (
        r"(?:feeds? (?:mainly )?on|diet consists of|preys? on) (?=[a-z])"
    ),
    ("habitat",): r"(?:lives?|found|inhabits?|natural habitats? (?:is|are)) in (?=[a-z])",
    ("charge", "crime somebody is accused of"): (
        r"(?:charged with|convicted of|guilty of) (?=[a-z])"
    ),
    ("defendant", "accused"): (
        rf"(?:[Ss]tate|[Pp]eople|[Uu]nited States|[Cc]rown) v\.? {_NAME}|sued {_NAME}"
    ),
    ("plaintiff", "party who sues"): rf"(?:lawsuit (?:filed )?by|sued by) {_NAME}",
}  # fmt: skip
# Roles that one mention often has together.
_TOGETHER = [
    {"founder", "owner", "manufacturer", "developer", "designer", "inventor", "discoverer"},
    {"producer", "publisher", "translator", "editor", "narrator", "developer"},
    {"buyer", "owner", "sponsor", "seller"}, {"victim", "opponent", "defendant"},
    {"birthplace", "place of death", "burial place", "venue", "headquarters", "destination"},
    {"former name", "nickname", "pseudonym", "namesake"},
    {"cause", "cause of death", "symptom", "side effect"},
    {"wife", "husband", "father", "mother", "brother or sister", "child"},
    {"material", "ingredient", "food of an animal", "habitat"},
    {"winner", "opponent", "predecessor", "successor"}, {"employer", "alma mater"},
]  # fmt: skip
_PATTERNS = {names: re.compile(rf"\b(?:{words})") for names, words in ROLES.items()}
_ARTICLE = re.compile(r"(?:the|an?) ")
_LENGTH = range(30, 400)  # characters of a sentence
_PER_ROLE = 300  # most sentences for a role


def roles_in(texts: Iterable[str], detect: Detect) -> dict[str, Kind]:
    """The roles that texts give to their mentions.

    Args:
        texts: The texts; of each role's sentences the first are used.
        detect: Detects mentions in texts.

    Returns:
        A kind for every role, by its first name.
    """
    found: dict[tuple[str, ...], list[tuple[str, int]]] = {names: [] for names in _PATTERNS}
    for text in texts:
        if len(text) in _LENGTH:
            for names, pattern in _PATTERNS.items():
                if len(found[names]) < _PER_ROLE and (cue := pattern.search(text)):
                    found[names].append((text, cue.end()))
    every = list(dict.fromkeys(text for sentences in found.values() for text, _ in sentences))
    mentions_of = dict(zip(every, detect(every), strict=True))
    kinds = {}
    for names, sentences in found.items():
        kind = kinds[names[0]] = Kind(names, kindred(names[0], _TOGETHER))
        for text, end in sentences:
            article = _ARTICLE.match(text, end)
            start = article.end() if article else end
            spans = instances(ListedType(names[0], text, start, False), mentions_of[text])
            kind.occurrences += occurrences(text, spans, mentions_of[text])
    return kinds
