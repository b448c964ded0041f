"""The Python of the page on detectors runs, with small stand-ins for the models it names."""

import re
from pathlib import Path

import pytest
from test_llm import FakeChat, mark_capitals
from tiny import CapitalizedWords

pytestmark = pytest.mark.slow


DOCS = Path(__file__).parents[2] / "docs"


def test_python_blocks_run(tiny_generator, tiny_gliner, tmp_path, monkeypatch, capsys):
    spacy = pytest.importorskip("spacy", reason="needs the extra [spacy]")
    chat_models = pytest.importorskip("langchain.chat_models", reason="needs langchain")
    chat = FakeChat(reply=mark_capitals).with_retry()
    monkeypatch.setattr(chat_models, "init_chat_model", lambda *args, **kwargs: chat)
    pipeline = spacy.blank("en")
    pipeline.add_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "London"}])
    pipeline.to_disk(tmp_path / "pipeline")
    page = (DOCS / "detectors.md").read_text(encoding="utf-8")
    stand_ins = {
        "en_core_web_sm": tmp_path / "pipeline",
        "fastino/gliner2.5-base-v1": tiny_gliner,
        "Qwen/Qwen2.5-1.5B-Instruct": tiny_generator,
    }
    names = {}
    for code in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        for model, folder in stand_ins.items():
            code = code.replace(f'"{model}"', f'"{folder}"')
        exec(compile(code, "detectors.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    capitals = CapitalizedWords().detect(names["TEXTS"])
    assert printed[0] == str([[mention.text for mention in mentions] for mentions in capitals])
    assert printed[4] == "[['London'], []]"
    assert names["storage"].documents == 2


@pytest.mark.parametrize("page", ["detectors.md", "probe.md"])
def test_linked_pages_and_images_exist(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (DOCS / target).exists(), target
