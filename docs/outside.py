"""MkDocs hook: copies the files outside docs/ that pages link to, and rewrites the links to them.

On the site, a repository file is served under ``repository/`` plus its path; the links in the
sources stay unchanged.
"""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_LINK = re.compile(r"(\]\()(?![a-z]+:|#|/)([^)#\s]+)(#[^)\s]*)?(?=[)\s])")
_OUTSIDE = "repository/"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add every file outside docs/ that a page links to, and the files that those link to."""
    root = Path(config.config_file_path).parent
    pages = [file.src_uri for file in files if file.is_documentation_page()]
    waiting = [(f"docs/{uri}", (root / "docs" / uri).read_text(encoding="utf-8")) for uri in pages]
    there = set()
    while waiting:
        path, text = waiting.pop()
        for link in _LINK.finditer(text):
            target = normpath(join(dirname(path), link[2]))
            source = root / target
            if target.startswith(("docs/", "..")) or target in there or not source.is_file():
                continue
            there.add(target)
            files.append(File.generated(config, _OUTSIDE + target, abs_src_path=str(source)))
            if target.endswith(".md"):
                waiting.append((target, source.read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Page, files: Files, **_: Any) -> str:
    """Rewrite links between repository files as links between pages of the site."""
    uri = page.file.src_uri
    path = uri.removeprefix(_OUTSIDE) if uri.startswith(_OUTSIDE) else f"docs/{uri}"

    def moved(link: re.Match[str]) -> str:
        target = normpath(join(dirname(path), link[2]))
        found = target.removeprefix("docs/") if target.startswith("docs/") else _OUTSIDE + target
        if files.get_file_from_path(found) is None:
            return link[0]
        return f"{link[1]}{relpath(found, dirname(uri) or '.')}{link[3] or ''}"

    return _LINK.sub(moved, markdown)
