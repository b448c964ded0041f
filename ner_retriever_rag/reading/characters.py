"""Character normalization: one way to write each letter, no invisible characters."""

from __future__ import annotations

import re
import unicodedata
from html import unescape

from ner_retriever_rag.reading.draft import Draft

_ESCAPE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colors in logs
_BROKEN_WORD = re.compile(r"(?<=\w)\u00ad[ \t]*(?:\r\n|[\r\n\u2028])[ \t]*(?=\w)")
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x85\u2028]")
_PAGES = re.compile(r"[\x0c\u2029]")
# Soft hyphens, joiners, direction marks, variation selectors, tags.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e01ef]"
)
_JAMO = "\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff"
# Compatibility decompositions that only stand for another drawing of the same letter.
_DRAWINGS = ("<font>", "<wide>", "<narrow>")
_LIGATURES = ("\ufb00", "\ufb17")
_BARS = "│┃║❘"  # in drawn tables


def normalize(draft: Draft) -> None:
    """Normalize every character: escapes, line ends, letters, spaces, accents."""
    if "&" in draft.text:
        draft.substitute(_ESCAPE, lambda found: unescape(found[0]))
    if "\x1b" in draft.text:
        draft.substitute(_TERMINAL, "")
    if not draft.text.isascii():
        draft.substitute(_BROKEN_WORD, "")
    draft.substitute(_LINE_ENDS, "\n")
    draft.substitute(_PAGES, "\n\n")
    table = {char: new for char in set(draft.text) if (new := _normalize_char(char)) != char}
    if table:
        draft.substitute(_any_of(table), lambda found: table[found[0]])
    if not draft.text.isascii():
        _compose(draft)


def separate_symbols(draft: Draft) -> None:
    """Insert a space between words and the pictures and arrows attached to them."""
    if draft.text.isascii():
        return
    signs = [char for char in set(draft.text) if _is_picture(char)]
    if signs:
        one = _any_of(signs).pattern
        draft.substitute(re.compile(rf"(?<={one})(?=\w)|(?<=\w)(?={one})"), " ")


def marks_in(text: str) -> list[str]:
    """Accents and vowel signs that are separate characters, deduplicated."""
    return [char for char in set(text) if unicodedata.category(char).startswith("M")]


def _normalize_char(char: str) -> str:
    """Normalized form of a single character."""
    if char in "\t\n" or " " <= char <= "~":
        return char
    if _UNSEEN.match(char):
        return ""
    if char in _BARS:
        return "|"
    category = unicodedata.category(char)
    if category in ("Zs", "Cc"):
        return " "
    drawn = unicodedata.decomposition(char).startswith(_DRAWINGS)
    if drawn or _LIGATURES[0] <= char <= _LIGATURES[1]:
        return unicodedata.normalize("NFKC", char)
    return unicodedata.normalize("NFC", char)


def _compose(draft: Draft) -> None:
    """Compose letters with their accents; these share a source span anyway: no span splits them."""
    if marks := marks_in(draft.text):
        one = _any_of(marks).pattern
        clusters = re.compile(rf"[^\n\t ]?{one}+")
        _compose_clusters(draft, clusters)
    _compose_clusters(draft, re.compile(rf"[{_JAMO}]{{2,}}"))


def _compose_clusters(draft: Draft, clusters: re.Pattern[str]) -> None:
    edits = []
    for found in clusters.finditer(draft.text):
        first, after = found.span()
        while first and draft.starts[first - 1] == draft.starts[first]:  # from one ligature
            first -= 1
        edits.append((first, after, unicodedata.normalize("NFC", draft.text[first:after])))
    draft.edit(edits)


def _is_picture(char: str) -> bool:
    category = unicodedata.category(char)
    arrow = "\u2190" <= char <= "\u21ff"
    return arrow or (category == "So" and char != "°") or "\U0001f3fb" <= char <= "\U0001f3ff"


def _any_of(chars: object) -> re.Pattern[str]:
    return re.compile(f"[{''.join(map(re.escape, sorted(chars)))}]")  # type: ignore[call-overload]
