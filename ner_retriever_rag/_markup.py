"""Text for display: escape invisible characters, cut passages, highlight spans in HTML.

A top-level module, because a match renders itself (``DocumentMatch._repr_html_``) and the schema
imports from no subpackage. Uses only the standard library.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from math import isnan
from typing import Any, NamedTuple, Protocol

_TITLE = "title"  # metadata key with a document's display name
_FULL_TEXT_LIMIT = 600  # characters; texts up to this length are shown in full
_PASSAGE = 220  # characters
_MAX_MARKS = 100  # the best mentions of a document are highlighted, the others are not
_MAX_WORD_LENGTH = 40  # a longer run without whitespace belongs to a script that has none

# Control characters can drive a terminal; bidirectional formatting and tag characters can hide
# text; surrogates cannot be printed. Newlines and tabs are left to the caller.
_UNPRINTABLE = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e007f"
)
UNPRINTABLE = re.compile(f"[{_UNPRINTABLE}]")
# Unicode's zero-width "default ignorable" characters: invisible to people, but read by a model.
_ZERO_WIDTH = (
    r"\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u3164\ufe00-\ufe0f\ufeff"
    r"\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0080-\U000e0fff"
)
# Joiners are part of the spelling in Persian and Indic scripts, but never next to ASCII.
_LETTER = r"[^\x00-\x7f\s\u200b-\u200f]"
_INVISIBLE = re.compile(
    f"[{_UNPRINTABLE}{_ZERO_WIDTH}]|(?<!{_LETTER})[\u200c\u200d]|[\u200c\u200d](?!{_LETTER})"
)

# Bounded in depth and width, so that any value can be named in a message.
_SHORT = reprlib.Repr()
_SHORT.maxlevel = _SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = 10
_SHORT.maxstring = _SHORT.maxother = 200


class Mark(NamedTuple):
    """A span to highlight, with its tooltip."""

    start: int
    end: int
    type: str
    note: str


class MentionLike(Protocol):
    """A matched mention; ``schema.MentionMatch`` implements it."""

    @property
    def start(self) -> int: ...  # noqa: D102
    @property
    def end(self) -> int: ...  # noqa: D102
    @property
    def score(self) -> float: ...  # noqa: D102
    @property
    def type(self) -> str: ...  # noqa: D102


class DocumentLike(Protocol):
    """A matched document; ``schema.DocumentMatch`` implements it."""

    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def doc_id(self) -> str: ...  # noqa: D102
    @property
    def score(self) -> float: ...  # noqa: D102
    @property
    def metadata(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def matches(self) -> Sequence[MentionLike]: ...  # noqa: D102


def visible(text: str) -> str:
    r"""Replace invisible characters that have an effect by escapes (``\x1b``).

    These are control, bidirectional formatting and tag characters, and surrogates.
    """
    return UNPRINTABLE.sub(_escape, text)


def strip_invisible(text: str, replacement: str = "") -> str:
    """Remove characters that people do not see but a language model reads.

    Args:
        text: The text; newlines and tabs are kept.
        replacement: Replacement for each such character.
    """
    return _INVISIBLE.sub(replacement, text)


def one_line(text: str) -> str:
    """Return a text that fits on one line of a terminal."""
    return visible(re.sub(r"[ \t\r\n]+", " ", text))


def short_repr(value: object, max_length: int = 200) -> str:
    """Return the ``repr`` of a caller's value for an error message, truncated if long.

    Args:
        value: Any value.
        max_length: Maximum number of characters, not counting the ellipsis.
    """
    try:
        return truncate(_SHORT.repr(value), max_length)
    except (ValueError, RecursionError):  # a number of thousands of digits, a class's own repr
        return f"a {type(value).__name__} that cannot be shown"


def truncate(text: str, max_length: int) -> str:
    """Truncate a text to ``max_length`` characters, with an ellipsis if there were more."""
    return text if len(text) <= max_length else f"{text[:max_length]}…"


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )


def display_name(match: DocumentLike) -> str:
    """Return a document's display name: its title, or its id."""
    return str(match.metadata.get(_TITLE) or match.doc_id)


def format_score(match: DocumentLike) -> str:
    """Format a document's score with two decimals; empty if another retriever gave it none."""
    return "" if isnan(match.score) else f"{match.score:.2f}"


def window(text: str, start: int, end: int, width: int) -> tuple[int, int]:
    """Return the offsets of a passage around a span, cut between words.

    Args:
        text: The text.
        start: First character of the span.
        end: One past its last character.
        width: Maximum number of characters; more only if the span itself is longer.

    Returns:
        Offset of the first character, and one past the last.
    """
    start = max(0, min(start, len(text)))
    end = max(start, min(end, len(text)))
    spare = max(0, width - (end - start))
    after = min(len(text) - end, max(spare - start, spare - spare // 2))
    before = min(start, spare - after)
    return _cut_left(text, start - before, start), _cut_right(text, end, end + after)


def _cut_left(text: str, low: int, start: int) -> int:
    if not _within_word(text, low):
        return low
    space = re.search(r"\s", text[low:start])
    if space is not None:
        return low + space.end()
    run = re.search(r"\S*\Z", text[max(0, start - _MAX_WORD_LENGTH) : start])
    return low if run is not None and len(run[0]) == _MAX_WORD_LENGTH else start


def _cut_right(text: str, end: int, high: int) -> int:
    if not _within_word(text, high):
        return high
    space = re.search(r"\s\S*\Z", text[end:high])
    if space is not None:
        return end + space.start()
    run = re.match(r"\S*", text[end : end + _MAX_WORD_LENGTH])
    return high if run is not None and len(run[0]) == _MAX_WORD_LENGTH else end


def _within_word(text: str, position: int) -> bool:
    return (
        0 < position < len(text)
        and not text[position - 1].isspace()
        and not text[position].isspace()
    )


def snippet(match: DocumentLike, width: int) -> str:
    """Return the passage around a document's best match; see ``DocumentMatch.snippet``."""
    best = match.matches[0] if match.matches else None
    low, high = window(match.text, best.start if best else 0, best.end if best else 0, width)
    words = " ".join(match.text[low:high].split())
    return f"{'…' if match.text[:low].strip() else ''}{words}" + (
        "…" if match.text[high:].strip() else ""
    )


def cards(matches: Sequence[DocumentLike]) -> str:
    """Render matched documents as HTML, their spans highlighted, with a color for each type.

    Works in light and dark mode without telling them apart: the colors are translucent, and
    everything else is inherited. Styles are inline, because notebooks drop style sheets.
    """
    types = dict.fromkeys(each.type for match in matches for each in match.matches[:_MAX_MARKS])
    hues = {name: round(210 + 137.508 * number) % 360 for number, name in enumerate(types)}
    shown = "".join(_card(match, hues) for match in matches) or "<p>nothing found</p>"
    return f'<div class="ner-matches">{_legend(hues)}{shown}</div>'


def _legend(hues: Mapping[str, int]) -> str:
    named = [f"<mark {_style(hue)}>{_plain(name)}</mark>" for name, hue in hues.items() if name]
    return f'<p class="ner-types">{" ".join(named)}</p>' if named else ""


def _card(match: DocumentLike, hues: Mapping[str, int]) -> str:
    name, title = display_name(match), _plain(display_name(match))
    details = " · ".join(
        filter(None, [format_score(match), "" if name == match.doc_id else match.doc_id])
    )
    marks = _marks(match)
    passages = (_highlighted(match.text, low, high, marks, hues) for low, high in _passages(match))
    return (
        '<div class="ner-match" style="border:1px solid rgba(128,128,128,.4);border-radius:6px;'
        'padding:.5em .8em;margin:.5em 0">'
        f'<div dir="auto"><b>{title}</b> <span style="opacity:.7">{_plain(details)}</span></div>'
        f"{''.join(passages)}</div>"
    )


def _marks(match: DocumentLike) -> list[Mark]:
    """Return the spans to highlight, one per position; its note lists everything found there."""
    places: dict[tuple[int, int], list[MentionLike]] = {}
    for each in match.matches[:_MAX_MARKS]:
        place = max(0, each.start), min(each.end, len(match.text))
        if place[0] < place[1]:
            places.setdefault(place, []).append(each)
    return [
        Mark(
            start, end, found[0].type, " · ".join(f"{f.type} {f.score:.2f}".strip() for f in found)
        )
        for (start, end), found in places.items()
    ]


def _passages(match: DocumentLike) -> Iterator[tuple[int, int]]:
    """Yield the offsets of the passages to show, in order and disjoint."""
    if len(match.text) <= _FULL_TEXT_LIMIT:
        yield 0, len(match.text)
        return
    best = match.matches[: _FULL_TEXT_LIMIT // _PASSAGE + 1]
    spans = [(each.start, each.end) for each in best] or [(0, 0)]
    windows = sorted(window(match.text, *span, _PASSAGE) for span in spans)
    low, high = windows[0]
    for start, end in windows[1:]:
        if start > high:
            yield low, high
            low = start
        high = max(high, end)
    yield low, high


def _highlighted(
    text: str, low: int, high: int, marks: Iterable[Mark], hues: Mapping[str, int]
) -> str:
    within = [
        mark._replace(start=max(low, mark.start), end=min(high, mark.end))
        for mark in marks
        if mark.start < high and low < mark.end
    ]
    inner = _nested(text, low, high, within, hues)
    before, after = "…" if low else "", "…" if high < len(text) else ""
    return f'<p dir="auto" style="margin:.3em 0;white-space:pre-line">{before}{inner}{after}</p>'


def _nested(text: str, low: int, high: int, marks: list[Mark], hues: Mapping[str, int]) -> str:
    """Render part of a text with nested marks; one that overhangs another is split there."""
    parts = []
    while marks:
        marks.sort(key=lambda mark: (mark.start, -mark.end))
        outer, *rest = marks
        start, end = outer.start, outer.end
        inner = [mark._replace(end=min(mark.end, end)) for mark in rest if mark.start < end]
        marks = [mark._replace(start=max(mark.start, end)) for mark in rest if mark.end > end]
        parts.append(_plain(text[low:start]))
        parts.append(
            f'<mark title="{_plain(outer.note)}" {_style(hues[outer.type])}>'
            f"{_nested(text, start, end, inner, hues)}</mark>"
        )
        low = end
    return "".join(parts) + _plain(text[low:high])


def _style(hue: int) -> str:
    return (
        f'style="background:hsla({hue},90%,50%,.28);box-shadow:inset 0 -2px hsl({hue},75%,48%);'
        'color:inherit;border-radius:2px"'
    )


def _plain(text: str) -> str:
    return escape(visible(text))
