"""Names: what the spellings of one share."""

from __future__ import annotations

import re
import unicodedata

_GONE = re.compile(r"['’`´.]")
_SIGNS = re.compile(r"[^\w+#]+|_+")
_POSSESSIVE = re.compile(r"['’]s?\s*$")
_ARTICLE = re.compile(r"^\s*(?:the|an?)\s+(?=\w)", re.IGNORECASE)


def name_key(name: str) -> str:
    """What the spellings of one name share: case, accents, signs, article, possessive left out.

    >>> name_key("The Beatles’") == name_key("beatles")
    True
    """
    if not name.isascii():
        apart = unicodedata.normalize("NFKD", name)
        name = "".join(c for c in apart if not unicodedata.combining(c))
    bare = _ARTICLE.sub("", _POSSESSIVE.sub("", name), count=1)
    key = _SIGNS.sub(" ", _GONE.sub("", bare).casefold()).strip()
    return key or name.strip().casefold()
