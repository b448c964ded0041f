import subprocess
import sys

import pytest

from ner_retriever_rag._imports import require


def loaded(code):
    """Return which heavy packages are loaded after running code in a new interpreter."""
    check = "import sys; print(*({'torch', 'chromadb', 'transformers'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{check}"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_importing_the_package_loads_neither_torch_nor_chromadb():
    assert loaded("import ner_retriever_rag") == []
    assert loaded("from ner_retriever_rag import Document, Mention, DocumentMatch") == []
    assert loaded("from ner_retriever_rag import EntityIndex") == []


def test_loaded_reports_torch_if_it_is_imported():
    assert "torch" in loaded("from ner_retriever_rag import TypeAwareEncoder")


def test_an_index_opens_and_searches_without_transformers(tmp_path):
    # transformers takes longer to import than everything else together.
    code = f"from ner_retriever_rag import EntityIndex\nindex = EntityIndex({str(tmp_path)!r})\n"
    assert set(loaded(code + "len(index), index.get(['a'])")) == {"torch", "chromadb"}
    assert set(loaded(code + "index.search('river')")) == {"torch", "chromadb"}
    assert "transformers" in loaded("import ner_retriever_rag.encoder.backbone.cutting")


def test_importing_the_cli_loads_no_heavy_package():
    assert loaded("import ner_retriever_rag.cli") == []


def test_every_public_name_can_be_imported():
    import ner_retriever_rag

    for name in ner_retriever_rag.__all__:
        assert getattr(ner_retriever_rag, name).__name__ == name
    assert dir(ner_retriever_rag) == sorted(ner_retriever_rag.__all__)
    with pytest.raises(AttributeError, match="NoSuchThing"):
        _ = ner_retriever_rag.NoSuchThing


def test_error_for_a_missing_package_names_its_extra():
    with pytest.raises(
        ImportError, match=r"^no_such is not installed; run: pip install '.*\[ui\]'"
    ):
        require("no_such.module", extra="ui")
    # Installed, but without the wanted submodule: an older version, for example.
    with pytest.raises(ImportError, match=r"^json\.newer cannot be imported .*pip install"):
        require("json.newer", extra="ui")
