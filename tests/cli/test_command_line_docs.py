"""The page about the command line uses only existing commands and options."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from ner_retriever_rag.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
LINES = re.findall(r"^ner-retriever (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("line", LINES)
def test_commands_use_existing_options(line):
    name, *arguments = shlex.split(line)
    with get_command(app).commands[name].make_context(name, arguments) as context:
        assert not context.args


def test_every_option_of_search_is_in_the_table():
    shown = set(re.findall(r"`(-[-a-z]+)", PAGE.read_text(encoding="utf-8")))
    options = {name for each in get_command(app).commands["search"].params for name in each.opts}
    ours = {name for name in options if name.startswith("-")} - {"--encoder", "--sharpen"}
    assert ours <= shown
