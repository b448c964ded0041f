"""Patterns: identifiers and values regular enough to be recognized by their form.

A detector learns what names and terms are like; that ``--no-cache``, ``ENOENT`` or ``10.0.0.1`` is
a mention needs no learning. Each kind has one pattern, applied to the readable view of a text.
"""

# ruff: noqa: E501 (a pattern is easier to read on one line)
from __future__ import annotations

import ipaddress
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from ner_retriever_rag.schema import Mention

SCORE = 0.9  # of a mention found by a pattern

_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?"
)
_NUMBER = r"\d+(?:[.,]\d+)*"
_RANGE = rf"{_NUMBER}(?:\s?(?:[-–/x×]|to)\s?{_NUMBER})?"
_SUFFIXES = (
    r"py|js|ts|tsx|jsx|java|kt|c|h|cc|cpp|hpp|cs|go|rs|rb|php|pl|sh|bat|ps1|sql|json|jsonl|ya?ml|toml"
    r"|xml|html?|css|scss|csv|tsv|txt|md|rst|tex|pdf|docx?|xlsx?|pptx?|odt|png|jpe?g|gif|svg|ico|mp[34]"
    r"|wav|avi|mov|zip|tar(?:\.(?:gz|bz2|xz))?|t?gz|bz2|xz|7z|rar|exe|msi|dll|so|dylib|jar|war|whl|deb"
    r"|rpm|apk|iso|log|ini|cfg|conf|lock|db|sqlite3?|bak|tmp|ipynb|parquet|pem|crt|eml|ics|bin|dat"
)
_CURRENCY = (
    r"(?:USD|EUR|GBP|CHF|JPY|INR|CAD|AUD|NZD|CNY|SEK|NOK|DKK|PLN|BRL|MXN|ZAR|SGD|HKD|dollars?|euros?"
    r"|pounds|cents|rupees|yen|yuan|francs|crore|lakhs?)\b"
)
_MULTIPLE = r"(?:\s?(?:thousand|million|billion|trillion|crore|lakhs?|[kKmMbB]n?|mn)\b)?"
_PERCENT = r"(?:%|percent\b|per\scent\b)"
_DEGREES = r"(?:°\s?[CFK]\b|[℃℉]|degrees?\b)"
_TIME = r"(?:[mµμn]s|seconds?|minutes?|hours?|days?|weeks?|months?|years?)\b"
_UNIT = (
    r"(?:(?:km/h|m/s|mph|mg/dL|mg/kg|mg/mL|kg/m[23]|W/m[2K]|[nµμmck]?m[²³23]?|[kmµμn]?g|[mckµμd]?[lL]|[kMG]?W|[km]?V|m?A"
    r"|[kMGT]?Hz|[kMGTP]i?B|[kMG]?bit/s|[MGk]bps|[kMh]?Pa|bar|psi|rpm|dB|mol|[mµμn]M|kcal|kJ|kWh"
    r"|MWh|mAh|Ah|lbs?|oz|ft|yd|mi|mmHg|sq\sft|sqm|ha|px|dpi|IU)\b"
    r"|(?:kilo|centi|milli|micro|nano)?(?:met(?:er|re)|gram|lit(?:er|re))s?\b"
    r"|(?:inch(?:es)?|feet|foot|yards?|miles?|pounds?|ounces?|ton(?:ne)?s?|acres?|hectares?|gallons?"
    r"|pints?|quarts?|cups?|tablespoons?|teaspoons?|tbsps?|tsps?|volts?|watts?|amps?|tablets?|capsules?)\b)"
)
_AMOUNT = rf"(?<![\w.,$€£/-]){_RANGE}\s?-?"
_WORDS = r"(?:and|or|but|who|she|her|his|the|at|is|in|to|of|on|by)"  # after a dash or a slash

_ROOTS = r"(?:etc|usr|var|home|tmp|opt|dev|proc|mnt|srv|root|api|bin)"  # in a file system

_KINDS = {
    "url": r"(?:\b(?:https?|ftps?|file|s3|gs|git|ssh|wss?|postgres(?:ql)?|mysql|redis|mongodb)://|\bwww\.)"
    r"[^\s<>\"'`|]*[^\s<>\"'`|.,;:!?)\]}*]",
    "email": r"(?<![\w.+%-])[\w.+%-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}\.[A-Za-z]{2,24}\b",
    "ip": r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2}|:\d{2,5})?(?![\w.]*\d)"
    r"|(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:/\d{1,3})?(?![\w:])",
    "mac": r"\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b",
    "uuid": r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b",
    "hash": r"\b(?:(?:sha(?:1|256|512)|md5):)?(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,128}\b"
    r"|\b(?=[0-9A-F]*\d)(?=\d*[A-F])(?:[0-9A-F]{32}|[0-9A-F]{40}|[0-9A-F]{64})\b",
    "path": r"(?<![\w/:.<~])(?:~|\.{1,2})?(?:/[\w.@%+{}$~-]*\w[\w.@%+{}$~-]*){2,}/?(?<![.])"
    rf"|(?<!\S)~?/{_ROOTS}\b|(?<!\S)~/[\w.@%+-]*\w"
    r"|\b[A-Za-z]:\\[^\s:*?\"<>|,;]*[\w\\]|\\\\[\w.$-]+(?:\\[\w.$-]+)+",
    "file": rf"(?<![\w/.@+-])(?:[\w@-][\w.@+-]{{0,80}}(?:/[\w.@+-]{{1,80}}){{0,20}}/)?[\w@-][\w.@+-]{{0,80}}?\.(?:{_SUFFIXES})\b(?![.(]\w)",
    "flag": r"(?<![\w-])--[A-Za-z][\w-]+(?:=[^\s,;|\])]*[\w\"'/*])?"
    r"|(?:(?<=\s)|(?<=^)|(?<=[`(\"']))-[A-Za-z](?=[\s,;`)\"'|]|$)"
    rf"|(?<=[a-z] )-(?!{_WORDS}\b)[a-z]{{2,3}}(?=[\s,;`)\"'|]|$)"
    rf"|(?<=[\w\"'):] )/(?:[A-Z]|(?!{_WORDS}\b|{_ROOTS}\b)[A-Za-z]{{3,20}})(?::[\w.]+)?(?=[\s,;`)\]\"'*]|[.?!](?:\s|$)|$)",
    "variable": r"\$\{?[A-Z_][A-Z0-9_]+\}?|%[A-Z][A-Z0-9_]+%|\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b",
    "identifier": r"\b[a-z]\w*(?:::~?\w+)+(?:\(\))?|\b_{0,2}[a-z][a-z0-9]*(?:_[a-z0-9]+)+_{0,2}(?:\(\))?"
    r"|(?<![\w.])[A-Za-z_][\w.]{0,80}\w\(\)",
    "error": r"\b[A-Z]+::ERR_[A-Z_]+|(?<![\w.])(?:[a-z_]\w{0,60}\.){0,9}[A-Z]\w{0,80}(?:Error|Exception|Warning|Fault)\b"
    r"|\bE(?:CONN[A-Z]+|NO[A-Z]{2,}|ACCES|PERM|EXIST|AGAIN|INVAL|PIPE|TIMEDOUT|ADDR[A-Z]+|HOST[A-Z]+"
    r"|BUSY|ISDIR|MFILE|RESOLVE)\b|\bSIG(?:KILL|TERM|SEGV|INT|HUP|ABRT|BUS|PIPE)\b"
    r"|\b0x[0-9A-Fa-f]{2,16}\b|\b(?:HTTP|exit code|error code|status code|errno)\s[\d-]\d{0,9}\b",
    "number": r"\b[A-Z]{2,10}-\d{1,9}(?:-\d+)*\b|\b(?:INV|PO|SO|RMA|REF|TKT|INC|CHG|KB)[-#]?\d{3,}\b"
    r"|(?<![\w&/])#\d{2,9}\b|\b[A-Z]{1,3}\d{5,12}\b",
    "version": r"\bv\d+(?:\.\d+)*(?:[-+.]?(?:alpha|beta|rc|dev|post|a|b)\.?\d*)?\b"
    r"|(?<![\w.])\d{1,4}\.\d{1,4}\.\d{1,6}(?:[.-](?:\d+|alpha|beta|rc|dev|post|SNAPSHOT)[\w.]*)?(?![\w.]*\d)"
    r"|(?<=[Vv]ersion )\d+(?:\.\d+)*\b",
    "phone": r"(?<![\w+])\+\d{1,3}[\s.-]?(?:\(\d{1,4}\)[\s.-]?)?\d(?:[\s.-]?\d){5,12}(?!\d)(?:\s?(?:x|ext\.?)\s?\d{1,5})?"
    r"|(?<!\w)\(\d{2,5}\)\s?\d{2,4}(?:[\s.-]\d{2,5}){1,3}(?:\s?(?:x|ext\.?)\s?\d{1,5})?"
    r"|(?<![\w.-])\d{3}[.\s-]\d{3}[.\s-]\d{4}(?![\w-])|(?<![\w.-])0\d{2,4}[\s-]\d{3,4}[\s-]?\d{3,4}(?![\w-])",
}  # fmt: skip
# A detector and its vectors know these from the context, too.
_VALUES = {
    "money": rf"(?:\b(?:US|AU|CA|NZ|HK|A|C|S|R)\s?)?[$€£¥₹₩₽₺]\s?{_NUMBER}(?:\s?[-–]\s?[$€£]?{_NUMBER})?{_MULTIPLE}(?:\s(?:USD|CAD|AUD)\b)?"
    rf"|\b(?:USD|EUR|GBP|CHF|Rs\.?|RM|INR)\s?{_NUMBER}{_MULTIPLE}"
    rf"|(?<![\w.,]){_NUMBER}{_MULTIPLE}\s?(?:[€£¥₹](?!\w)|{_CURRENCY})",
    "statute": r"§§?\s?\d+[a-z]?(?:\.\d+)*(?:\(\w{1,4}\))*(?:\s(?:U\.?S\.?C\.?|C\.?F\.?R\.?|BGB|StGB)\b)?"
    r"|\b\d+\s(?:U\.S\.C\.|C\.F\.R\.|USC|CFR)\s(?:§§?\s?)?\d+\w*(?:[.-]\d+)*(?:\(\w{1,4}\))*"
    r"|\b(?:[Ss]ections?|[Ss]ec\.|[Aa]rticles?|[Aa]rt\.|[Cc]lauses?|[Rr]ules?|[Rr]egulations?|[Pp]aragraphs?)"
    r"\s\d+[A-Z]{0,2}(?:\.\d+)*(?:\s?\(\w{1,4}\))*",
    "case": r"\b(?:(?:Case|Docket|Appeal|Petition|Application|Suit|File|Matter|Claim|Order)\s)?(?:No|Nos)\.\s?[A-Z]{0,4}[-(]?\d[\w/():-]*(?:\sof\s\d{4})?"
    r"|\b(?:Case|Docket)\s#?[A-Z]{0,4}-?\d[\w/:-]*|\b\d{1,2}:\d{2}-[a-z]{2}-\d{3,6}(?:-[A-Z]{2,4})*\b"
    r"|\b[CTF]-\d{1,4}/\d{2}\b|\b\d{1,4}\s(?:U\.S\.|F\.(?:2d|3d|4th)|S\.\sCt\.)\s\d{1,4}\b"
    r"|[\[(]\d{4}[\])]\s(?:\d{1,2}\s)?[A-Z]{2,6}(?:\s[A-Z][a-z]+)?\s\d{1,4}\b",
    "date": rf"\b(?:\d{{1,2}}(?:st|nd|rd|th)?(?:\sof)?\s){_MONTH}(?:,?\s\d{{4}})?(?!\w)|\b{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?\b(?:\s?,?\s\d{{4}}\b)?"
    rf"|\b{_MONTH}\s\d{{4}}\b|\b(?:1[0-9]|20)\d\d[-/.](?:0?[1-9]|1[0-2])[-/.](?:[0-2]?\d|3[01])(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?\b"
    r"|(?<![\w/.-])(?:[0-2]?\d|3[01])[-/.](?:[0-2]?\d|3[01])[-/.](?:(?:19|20)\d\d|\d\d)(?![\w/-])|\b(?:Q[1-4]|FY)\s?(?:19|20)?\d\d\b",
    "time": r"(?<![\w:.])(?:[01]?\d|2[0-4])[:.][0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?\s?[ap]\.?m\b\.?"
    r"|(?<![\w:.-])(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?:\s(?:UTC|GMT|CET|CEST|EST|EDT|PST|PDT|IST)\b)?(?![\w:])"
    r"|(?<![\w:.])(?:1[0-2]|[1-9])\s?[ap]\.?m\b\.?",
    "percentage": rf"{_AMOUNT}{_PERCENT}",
    "temperature": rf"{_AMOUNT}{_DEGREES}",
    "duration": rf"{_AMOUNT}{_TIME}",
    "quantity": rf"{_AMOUNT}{_UNIT}|(?<![\w.,/])(?:\d+\s)?[½¼¾⅓⅔⅛](?:\s(?:{_UNIT}|{_TIME}))?",
}  # fmt: skip

IDENTIFIERS = tuple(_KINDS)  # found by default, with VALUES
VALUES = tuple(_VALUES)
DESCRIPTIONS = {
    "url": "web address", "email": "email address", "ip": "IP address", "mac": "MAC address",
    "uuid": "unique identifier", "hash": "hash value", "path": "file path", "file": "file name",
    "flag": "command-line option", "variable": "environment variable",
    "identifier": "name of a function or variable", "error": "error code",
    "number": "reference number", "version": "software version", "phone": "phone number",
    "money": "sum of money", "statute": "section of a law", "case": "case number", "date": "date",
    "time": "time of day", "percentage": "percentage", "temperature": "temperature",
    "duration": "length of time", "quantity": "quantity",
}  # fmt: skip

_COMPILED = {kind: re.compile(pattern) for kind, pattern in (_KINDS | _VALUES).items()}
_HAS_ANY = re.compile(r"\d|://|www\.|@|--|\s-[A-Za-z]{1,3}\b|/\w|\\\w|_|::|\(\)|[a-z](?:Error|Exception|Warning|Fault)\b|\.[a-z0-9]{1,7}\b|\bE[A-Z]{3}|\bSIG|[§$%½¼¾⅓⅔⅛]")  # fmt: skip


class Found(NamedTuple):
    """A pattern match in a text.

    Attributes:
        start: First character.
        end: One past the last character.
        kind: Its kind, one of ``IDENTIFIERS`` or ``VALUES``.
    """

    start: int
    end: int
    kind: str


def find_patterns(text: str, kinds: Sequence[str] = (*IDENTIFIERS, *VALUES)) -> list[Found]:
    """Find the pattern matches of some kinds in a text.

    Args:
        text: A view.
        kinds: The kinds.

    Returns:
        Matches in order, without overlaps: of those that overlap, the longest.

    Raises:
        KeyError: If there is no such kind.
    """
    if not _HAS_ANY.search(text):
        return []
    found = [
        Found(*each.span(), kind)
        for kind in kinds
        for each in _COMPILED[kind].finditer(text)
        if " | " not in each[0] and _holds(kind, each[0])
    ]
    return _longest(found)


def with_patterns(text: str, mentions: Sequence[Mention], found: Sequence[Found]) -> list[Mention]:
    """Merge a detector's mentions with pattern matches; the complete one wins.

    A pattern match replaces any shorter mention that lies in it or crosses it ("$1,250" in
    "$1,250.00"); a longer mention is never cut.

    Args:
        text: The view.
        mentions: What a detector found, in order.
        found: Pattern matches, without overlaps.

    Returns:
        Mentions ordered by start, then end.
    """
    if not found:
        return list(mentions)
    starts, ends = [each.start for each in found], [each.end for each in found]
    kept: list[Mention] = []
    gone: set[int] = set()
    for mention in mentions:
        size = mention.end - mention.start
        over = range(bisect_right(ends, mention.start), bisect_left(starts, mention.end))
        if any(ends[n] - starts[n] > size for n in over):
            continue
        # The match inside a mention twice as long is kept: it may be searched for by itself.
        gone.update(n for n in over if _is_cut(found[n], mention))
        if any((starts[n], ends[n]) == (mention.start, mention.end) for n in over):
            mention = Mention(mention.text, mention.start, mention.end, max(mention.score, SCORE))
        kept.append(mention)
    kept += [
        Mention(text[each.start : each.end], each.start, each.end, SCORE)
        for n, each in enumerate(found)
        if n not in gone
    ]
    return sorted(kept, key=lambda mention: (mention.start, mention.end))


def kinds_of(mentions: Sequence[Mention], found: Sequence[Found]) -> list[str | None]:
    """Kind of each mention according to the patterns; None for most.

    Args:
        mentions: Mentions of a text.
        found: Pattern matches in it.
    """
    known = {(each.start, each.end): each.kind for each in found}
    return [known.get((mention.start, mention.end)) for mention in mentions]


def _holds(kind: str, words: str) -> bool:
    """Whether a match is really of its kind."""
    if kind == "ip":
        try:
            if "." in words:
                ipaddress.ip_address(words.partition("/")[0].partition(":")[0])
            else:
                ipaddress.ip_address(words.partition("/")[0])
        except ValueError:
            return False
        return len(words) > 2  # "::" is an address, but also an operator
    if kind == "phone":
        return 7 <= sum(char.isdigit() for char in words) <= 15
    return True


def _is_cut(found: Found, mention: Mention) -> bool:
    """Whether a mention replaces a match: the match crosses it, or is over half as long."""
    inside = mention.start <= found.start and found.end <= mention.end
    return not inside or mention.end - mention.start < 2 * (found.end - found.start)


def _longest(found: list[Found]) -> list[Found]:
    """Keep the longest of overlapping matches; in order."""
    taken: list[Found] = []
    for each in sorted(found, key=lambda one: (one.start - one.end, one.start)):
        at = bisect_left(taken, each)
        before = at == 0 or taken[at - 1].end <= each.start
        if before and (at == len(taken) or each.end <= taken[at].start):
            taken.insert(at, each)
    return taken
