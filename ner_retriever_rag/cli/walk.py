"""List the files of a folder, checking links before following them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

Report = Callable[[Path, str], None]


def files_in(
    folder: Path, wanted: Callable[[Path], object], *, follow_links: bool, report: Report
) -> list[Path]:
    """List the files of a folder and its subfolders, sorted.

    Args:
        folder: The folder; may itself be a link.
        wanted: Selects files by name.
        follow_links: Follow links that lead out of the folder. Links that stay inside are read if
            they point to a file, and skipped if to a folder, which is read at its own path.
        report: Called with each path that is skipped and the reason.
    """
    root = folder.resolve()
    entered, waiting, found = {root}, [folder], []
    while waiting:
        here = waiting.pop()
        try:
            entries = [Path(entry) for entry in os.scandir(here)]
        except OSError as error:
            report(here, f"cannot be read: {error.strerror}")
            continue
        for path in entries:
            if path.is_symlink() and (problem := _link_problem(path, root, follow_links)):
                if wanted(path) or path.is_dir():
                    report(path, problem)
            elif path.is_dir():
                real = path.resolve()
                leads_back = path.is_symlink() and real.is_relative_to(root)
                if real not in entered and not leads_back:
                    entered.add(real)
                    waiting.append(path)
            elif wanted(path):
                if path.is_file():
                    found.append(path)
                else:
                    report(path, "is not a plain file")
    return sorted(found)


def _link_problem(link: Path, root: Path, follow_links: bool) -> str | None:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a link loop, before Python 3.13
        return "is a link that points nowhere"
    if follow_links or target.is_relative_to(root):
        return None
    return f"is a link that leads out of the folder, to {target}; --follow-links reads it"
