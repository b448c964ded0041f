"""Spelling out of other tools' labels: ``GPE``, ``WORK_OF_ART``, ``HumanSettlement``.

A backbone trained on English makes little of them: to it "HumanSettlement" is further from
"human settlement" than that is from most types.
"""

from __future__ import annotations

import re

# Abbreviations in CoNLL 2003, OntoNotes (and so spaCy) and MultiCoNER, per their own guidelines.
_EXPANSIONS = {
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
_WORD_BOUNDARY = re.compile(r"_+|(?<=[a-z]{2})(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")


def spelled_out(description: str) -> str:
    """Turn a label into words; a description that is not a label is returned unchanged.

    Args:
        description: A type description. One without spaces may be a label: with ``_`` or capitals
            between its words, ``/`` between alternatives, or an abbreviation used in NER.
    """
    if any(char.isspace() for char in description):
        return description
    ways = [_WORD_BOUNDARY.split(way) for way in description.split("/") if way.strip("_")]
    words = [[_EXPANSIONS.get(word, word) for word in way if word] for way in ways]
    if words in ([], [[description]]):
        return description
    return " or ".join(" ".join(way) for way in words).lower()
