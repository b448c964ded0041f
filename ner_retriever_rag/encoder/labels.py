"""Labels of other tools, ``GPE``, ``WORK_OF_ART`` or ``HumanSettlement``, are read as words.

A backbone that was taught English makes little of them: to it "HumanSettlement" is further from
"human settlement" than that is from most types.
"""

from __future__ import annotations

import re

# What CoNLL 2003, OntoNotes (and so spaCy) and MultiCoNER abbreviate, by their own guidelines.
_MEANT = {
    "PER": "person",
    "ORG": "organization",
    "LOC": "location",
    "GPE": "country, city or state",
    "FAC": "building, airport, highway or bridge",
    "NORP": "nationality, religious or political group",
    "PROD": "product",
    "GRP": "group",
    "CORP": "corporation",
    "Corp": "corporation",
    "CW": "creative work",
}
_SEAM = re.compile(r"_+|(?<=[a-z]{2})(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")


def spelled_out(description: str) -> str:
    """The words of a label; a description that is none, or in lower case, is left as it is.

    Args:
        description: A type description. One without spaces may be a label: with ``_`` or capitals
            between its words, ``/`` between alternatives, or an abbreviation of NER's own.
    """
    if any(char.isspace() for char in description):
        return description
    ways = [_SEAM.split(way) for way in description.split("/") if way.strip("_")]
    words = [[_MEANT.get(word, word) for word in way if word] for way in ways]
    if words in ([], [[description]]):
        return description
    return " or ".join(" ".join(way) for way in words).lower()
