"""Display of search results: in a notebook, in a terminal, as an HTML page."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from html import escape
from importlib import import_module
from typing import Any

from rich.console import Console
from rich.text import Text

from ner_retriever_rag._markup import cards, display_name, format_score, one_line, visible, window
from ner_retriever_rag.index.interop import as_match, is_result
from ner_retriever_rag.schema import DocumentMatch

_PASSAGE = 200  # characters of a document shown on a terminal line

# The page loads no resources and runs no scripts, whatever a document contains.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50em; margin: 1.5em auto; padding: 0 1em }}
h1 {{ font-size: 1.4em }}
</style>
</head>
<body>
<h1 dir="auto">{title}</h1>
{cards}
</body>
</html>
"""


def show(matches: DocumentMatch | Iterable[DocumentMatch | Any]) -> None:
    """Show search results, with every span highlighted.

    In a notebook, results are shown as HTML, one color per type, with scores on hover; elsewhere
    they are printed, one line per document, with spans in brackets.

    Args:
        matches: The documents found, or one of them. LangChain documents and LlamaIndex nodes from
            the adapters' retrievers are accepted, too, as are those of other retrievers, which
            have no spans.

    Raises:
        TypeError: If they are something else.
    """
    given = [matches] if isinstance(matches, DocumentMatch) or is_result(matches) else matches
    found = []
    for number, each in enumerate(given):
        if not isinstance(each, DocumentMatch) and not is_result(each):
            raise TypeError(f"matches[{number}] must be a DocumentMatch, not {type(each).__name__}")
        found.append(each if isinstance(each, DocumentMatch) else as_match(each))
    if _in_notebook():
        display = import_module("IPython.display")
        display.display(display.HTML(cards(found)))
        return
    print_matches(Console(highlight=False, soft_wrap=True), found)


def page(matches: Iterable[DocumentMatch], title: str) -> str:
    """Render found documents as a self-contained HTML page."""
    return _PAGE.format(title=escape(visible(title)), cards=cards(list(matches)))


def print_matches(console: Console, matches: Iterable[DocumentMatch]) -> None:
    """Print found documents, one line each."""
    lines = [line(match) for match in matches]
    for each in lines or [Text("  nothing found", style="dim")]:
        console.print(each)


def line(match: DocumentMatch) -> Text:
    """Format a document as one line: score, name and the passage around its best match."""
    name = one_line(display_name(match))
    return Text.assemble(
        (f"  {format_score(match):4}  ", "cyan"), (name, "bold"), "  ", _marked(match)
    )


def _marked(match: DocumentMatch) -> Text:
    """The passage around the best match, with every match in it bracketed and colored."""
    text = match.text
    best = match.matches[0] if match.matches else None
    low, high = window(text, best.start if best else 0, best.end if best else 0, _PASSAGE)
    marked = Text("…" if low else "")
    position = low
    for each in sorted(match.matches, key=lambda each: (each.start, -each.end)):
        if position <= each.start < each.end <= high:
            marked.append(one_line(text[position : each.start]))
            marked.append(f"[{one_line(text[each.start : each.end])}]", style="bold green")
            position = each.end
    marked.append(one_line(text[position:high]))
    return marked.append("…" if high < len(text) else "")


def _in_notebook() -> bool:
    """Whether this runs in a notebook kernel; does not import IPython if it is not loaded."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None
