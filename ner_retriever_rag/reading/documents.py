"""Extracts the text of .pdf, .docx, .html and .eml files (extra ``files``).

Three small libraries keep the layout, on which the readable view depends: pypdf (no binary parts,
lines as they are on the page), python-docx (paragraphs and tables in order) and beautifulsoup4.
Converters to Markdown that bundle such libraries, such as markitdown, bring in models of their own
and rewrite the layout.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path
from typing import Any

from ner_retriever_rag._imports import require

_log = logging.getLogger(__name__)

_BLOCKS = (
    "address article aside blockquote caption dd div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hr main nav ol p pre section table ul"
).split()
_UNSEEN = ("script", "style", "noscript", "template", "svg", "head", "title")
_SPACE = re.compile(r"\s+")
_HEADERS = ("From", "To", "Cc", "Date")


@dataclass(frozen=True, slots=True)
class Page:
    """Content of a file.

    Attributes:
        text: Its text with the layout: line ends, tabs between cells, form feeds between pages.
        title: Its title; empty if it has none.
    """

    text: str
    title: str = ""


def read_document(path: str | Path) -> Page:
    """Read a file of one of the types in :data:`CONVERTED`.

    Args:
        path: The file; its suffix determines how it is read.

    Raises:
        ImportError: If the library that reads it is not installed; the message names the extra.
        OSError: If there is no such file.
        ValueError: If it cannot be read as the type that its suffix says.
    """
    path = Path(path)
    read, content = _READERS[path.suffix.lower()], path.read_bytes()
    try:
        return read(content, str(path))
    except ImportError:
        raise
    except Exception as error:  # whatever a parser raises on a damaged file
        kind = path.suffix.lower().lstrip(".")
        raise ValueError(
            f"is no {kind} that can be read: {error or type(error).__name__}"
        ) from error


def _pdf(content: bytes, name: str) -> Page:
    reader = require("pypdf", extra="files").PdfReader(BytesIO(content))
    pages = [page.extract_text() for page in reader.pages]
    for number, text in enumerate(pages, 1):
        if not text.strip():
            _log.info("page %d of %s has no text and is skipped", number, name)
    title = reader.metadata.title if reader.metadata else ""
    return Page("\f".join(text for text in pages if text.strip()), str(title or "").strip())


def _docx(content: bytes, _: str) -> Page:
    document = require("docx", extra="files").Document(BytesIO(content))
    parts, title = [], document.core_properties.title.strip()
    for each in document.iter_inner_content():
        if hasattr(each, "rows"):
            rows = [[_SPACE.sub(" ", cell.text).strip() for cell in row.cells] for row in each.rows]
            parts.append("\n".join("\t".join(row) for row in rows))
        elif each.text.strip():
            style = each.style.name if each.style is not None else ""
            title = title or each.text.strip() * (style == "Title")
            parts.append("- " * style.startswith("List") + each.text)
    return Page("\n\n".join(parts), title)


def _html(content: bytes | str, _: str) -> Page:
    soup = require("bs4", extra="files").BeautifulSoup(content, "html.parser")
    title = _SPACE.sub(" ", soup.title.get_text()).strip() if soup.title else ""
    for tag in soup(_UNSEEN):
        tag.decompose()
    for string in list(soup.find_all(string=True)):
        if type(string).__name__ in ("Comment", "Doctype", "Declaration", "ProcessingInstruction"):
            string.extract()
        elif string.find_parent("pre") is None:
            string.replace_with(_SPACE.sub(" ", string))
    marks: dict[str, tuple[str, str]] = {name: ("\n\n", "\n\n") for name in _BLOCKS}
    marks |= {"br": ("", "\n"), "li": ("\n- ", "\n"), "tr": ("\n", "\n")}
    marks |= dict.fromkeys(("td", "th"), ("\t", ""))
    for tag in soup(list(marks)):
        before, after = marks[tag.name]
        tag.insert_before(before)
        tag.insert_after(after)
    lines = (line.strip() for line in soup.get_text().split("\n"))
    return Page(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip(), title)


def _eml(content: bytes, name: str) -> Page:
    message: Any = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(preferencelist=("plain", "html"))
    text = "" if body is None else body.get_content()
    if body is not None and body.get_content_subtype() == "html":
        text = _html(text, name).text
    subject = str(message.get("Subject", "")).strip()
    headers = [f"{key}: {message[key]}" for key in _HEADERS if message[key]]
    return Page("\n\n".join(filter(None, [subject, "\n".join(headers), text.strip()])), subject)


_READERS: dict[str, Callable[[bytes, str], Page]] = {
    ".pdf": _pdf,
    ".docx": _docx,
    ".html": _html,
    ".htm": _html,
    ".eml": _eml,
}
CONVERTED = tuple(_READERS)
