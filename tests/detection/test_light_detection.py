import subprocess
import sys

import pytest


def test_importing_detection_loads_no_detector():
    heavy = "{'torch', 'transformers', 'spacy', 'gliner2', 'langchain_core'}"
    code = "import sys, ner_retriever_rag.detection as d; d.MentionDetector; "
    code += f"print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    code = code.replace("d.MentionDetector", "d.LLMDetector, d.GLiNERDetector, d.SpacyDetector")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_available():
    from ner_retriever_rag import detection

    for name in detection.__all__:
        assert getattr(detection, name).__name__ == name
    assert dir(detection) == sorted(detection.__all__)
    with pytest.raises(AttributeError, match="NoSuchThing"):
        _ = detection.NoSuchThing


def test_missing_extra_names_the_pip_requirement(monkeypatch):
    from ner_retriever_rag.detection import GLiNERDetector, SpacyDetector

    monkeypatch.setitem(sys.modules, "gliner2", None)
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(ImportError, match=r"ner-retriever-rag\[gliner\]"):
        GLiNERDetector()
    with pytest.raises(ImportError, match=r"ner-retriever-rag\[spacy\]"):
        SpacyDetector()
