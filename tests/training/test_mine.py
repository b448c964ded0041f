import json
import lzma

import pytest

from ner_retriever_rag.training.articles import Article, HeldOut, read_articles
from ner_retriever_rag.training.contexts import (
    EntityFinder,
    WordCaseCounts,
    family_name,
    find_name,
    surface,
    surfaces,
)
from ner_retriever_rag.training.mine import MiningOptions, mine
from ner_retriever_rag.training.mined import load_entities


def test_mined_entities_have_types_and_contexts_of_other_articles(mined):
    entities = {e.title: e for e in load_entities(mined)}
    band = entities["Ulvgard"]
    assert band.types == ("Norwegian metal band",)
    assert {c.kind for c in band.contexts} == {"other", "definition"}
    for context in (c for e in entities.values() for c in e.contexts):
        assert context.text[context.start : context.end].casefold() in {
            t.casefold() for t in entities
        }
    assert entities["Carabus velox"].types == ("beetle species", "beetle")


def test_mining_is_reproducible_and_writes_a_report(articles_file, tmp_path, mined):
    options = MiningOptions(least_heads=1, silver=50)
    counts = mine([articles_file], tmp_path, options=options)
    for name in ("entities.jsonl.xz", "silver.jsonl.xz", "hierarchy.json", "report.md"):
        assert (tmp_path / name).read_bytes() == (mined / name).read_bytes()
    assert counts["articles"] == 14
    assert "| type | kind | context |" in (tmp_path / "report.md").read_text()


def test_silver_sentences_mark_names(mined):
    with lzma.open(mined / "silver.jsonl.xz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    marked = {r["text"][m["start"] : m["end"]] for r in rows for m in r["mentions"]}
    assert {"Ulvgard", "Aldebrook", "Carabus velox"} <= marked


def test_held_out_sentences_are_dropped(articles_file, tmp_path):
    sentence = "Ulvgard is a Norwegian metal band known to everyone in the region."
    options = MiningOptions(least_heads=1)
    mine([articles_file], tmp_path, held_out=HeldOut([sentence]), options=options)
    kept = {c.text for e in load_entities(tmp_path) for c in e.contexts}
    assert kept and sentence not in kept


def test_entities_per_head_are_capped(articles_file, tmp_path):
    counts = mine([articles_file], tmp_path, options=MiningOptions(least_heads=1, per_head=2))
    heads = [e.types[0].split()[-1] for e in load_entities(tmp_path)]
    assert counts["entities kept"] == len(heads)
    assert max(heads.count(h) for h in heads) == 2


def test_homonyms_common_words_and_parts_of_names_are_not_found():
    common = WordCaseCounts(["the band played, a band, the band, band"])
    names = surfaces(
        ["Mercury (planet)", "Mercury (element)", "Band", "Oslo", "Hof, Bavaria"], common
    )
    assert names == {
        "band": ("Band", 4),
        "Oslo": ("Oslo", 4),
        "Hof, Bavaria": ("Hof, Bavaria", 3),
    }
    found = EntityFinder(names).find(
        "In Oslo the Oslo Philharmonic heard a band from Hof, Bavaria."
    )
    assert [(f.start, f.end) for f in found] == [(3, 7), (38, 42), (48, 51)]


def test_family_names_are_found():
    text = "Ada Lovelace was a writer. She wrote. Her friend was glad."
    assert family_name(Article("Ada Lovelace", text)) == "Lovelace"
    assert family_name(Article("The Wall", text)) is None
    assert find_name("After Lovelace wrote.", "Lovelace") == (6, 14)
    assert find_name("Then Ada Lovelace wrote.", "Lovelace") is None
    assert surface("Cabaret (1972 film)") == "Cabaret"


def test_invalid_articles_are_rejected(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"title": "x"}\n')
    with pytest.raises(ValueError, match="bad.jsonl:1"):
        list(read_articles(path))
    with pytest.raises(FileNotFoundError):
        list(read_articles(tmp_path / "none.jsonl"))
    path.write_text('{"title": "x", "text": "Nothing is said here"}\n')
    with pytest.raises(ValueError, match="nothing to mine"):
        mine([path], tmp_path / "out")
