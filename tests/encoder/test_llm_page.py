"""The page on other models: its Python runs on a tiny LLaMA, its commands and links exist."""

import re
from pathlib import Path

import pytest
import torch
from tiny_checkpoints import save_checkpoint
from transformers import LlamaConfig, LlamaForCausalLM
from typer.testing import CliRunner

from ner_retriever_rag.cli import app
from ner_retriever_rag.encoder.head import ProjectionHead

pytestmark = pytest.mark.slow


PAGE = Path(__file__).parents[2] / "docs" / "bring-your-own-llm.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language):
    return list(re.finditer(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory):
    """A LLaMA with 20 blocks and a head in the authors' format, both tiny and random."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("stand-ins")
    shape = {
        "vocab_size": 400, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 20,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
    }  # fmt: skip
    save_checkpoint(LlamaForCausalLM(LlamaConfig(**shape)).float(), folder / "model")
    torch.save(ProjectionHead((32, 12, 10)).state_dict(), folder / "head.pth")
    return {"MODEL": str(folder / "model"), "HEAD": str(folder / "head.pth")}


def test_python_blocks_run(stand_ins, tmp_path, monkeypatch, capsys):
    for extra in ("accelerate", "bitsandbytes"):
        pytest.importorskip(extra, reason="needs the extra [llm]")
    monkeypatch.chdir(tmp_path)
    names = {}
    for number, block in enumerate(blocks("python")):
        # Leading blank lines, so that a traceback shows the page's line numbers.
        before = "\n" * TEXT[: block.start(1)].count("\n")
        exec(compile(before + block[1], PAGE.name, "exec"), names)
        if number == 0:
            assert set(stand_ins) <= set(names)
            names.update(stand_ins)
    printed = capsys.readouterr().out
    assert "['Nile', 'Egypt']" in printed
    assert "True" in printed and "False" not in printed


COMMANDS = [
    line for block in blocks("bash") for line in block[1].splitlines() if line.startswith("ner-")
] + re.findall(r"`(ner-retriever [^`]+)`", TEXT)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_and_options_exist(command):
    words = command.split()[1:]
    options = [word for word in words if word.startswith("--")]
    path = words[: 2 if words[0] == "train" else 1]
    result = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exit_code == 0, result.output
    for option in options:
        assert re.search(rf"{option}\b", result.output), option


def test_link_targets_exist():
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", TEXT)
    assert targets
    for target in targets:
        assert (PAGE.parent / target).exists(), target
    headings = {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }
    assert {anchor for anchor in re.findall(r"\]\(#([^)]+)\)", TEXT)} <= headings
