"""Training the pair model: what it is shown, and that a few steps tell types apart."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ner_retriever_rag.encoder.backbone.checkpoints import MINILM
from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.encoder.pair_scorer import PairScorer
from ner_retriever_rag.evaluation.formats import TypedText
from ner_retriever_rag.reading.passage import Passage
from ner_retriever_rag.training import pair_sources
from ner_retriever_rag.training.annotated_sets import AnnotatedSet
from ner_retriever_rag.training.corpus import Mined
from ner_retriever_rag.training.hearst import ListedType
from ner_retriever_rag.training.hierarchy import Hierarchy
from ner_retriever_rag.training.judgements import DefinitionSource, Judgements, SenseSource
from ner_retriever_rag.training.label_judgements import LabelSource
from ner_retriever_rag.training.list_judgements import ListSource
from ner_retriever_rag.training.loop import LoopOptions
from ner_retriever_rag.training.mined import MentionContext, MinedEntity
from ner_retriever_rag.training.occurrences import OccurrenceSource
from ner_retriever_rag.training.pair_recipe import pair_model_recipe
from ner_retriever_rag.training.pair_sources import PairSources
from ner_retriever_rag.training.ranked_judgements import RankedSource
from ner_retriever_rag.training.roles import roles_in
from ner_retriever_rag.training.sampling import sampling_weights
from ner_retriever_rag.training.train_pair_model import PairOptions, train_pair_model
from ner_retriever_rag.training.wordnet import WordNet

BANDS, RIVERS = ["Ulvgard", "Frostheim", "Skaldemark"], ["Aldebrook", "Torrisdale", "Mirrenbeck"]
KINDS = {"metal band": BANDS, "river": RIVERS}
SOURCES = (
    DefinitionSource, LabelSource, ListSource, OccurrenceSource, RankedSource, SenseSource,
)  # fmt: skip


def entity(name: str, kind: str, country: str) -> MinedEntity:
    text = f"{name} is a {country} {kind}."
    other = f"They spoke of {name} for hours."
    contexts = MentionContext(text, 0, len(name), "definition"), MentionContext(other, 14, 14 + 7)
    return MinedEntity(name, (f"{country} {kind}", kind), contexts)


@pytest.fixture
def entities() -> list[MinedEntity]:
    return [
        entity(name, kind, "Norwegian" if n else "Swedish")
        for kind, names in KINDS.items()
        for n, name in enumerate(names)
    ]


def test_types_are_contrasted_with_types_that_the_entity_does_not_have(entities):
    mined = Mined(entities, entities, Hierarchy({}, {}), set())
    phrases = sorted({each for one in entities for each in one.types})
    source = DefinitionSource(
        mined,
        entities,
        sampling_weights(entities),
        phrases,
        np.eye(len(phrases), dtype=np.float32),
        4,
    )
    country_of = {each.title: each.types[0].split()[0] for each in entities}
    ways = set()
    for n in range(200):
        drawn = source.draw(random.Random(n))
        assert drawn.fits[0]
        ways.add((len({said for said, _ in drawn.pairs}), len({c for _, c in drawn.pairs})))
        for (said, context), fits in zip(drawn.pairs, drawn.fits, strict=True):
            name = next(each for each in country_of if each[:4] in context.text)
            kind = "band" if name in BANDS else "river"
            country = country_of[name]
            other = {"Swedish": "norwegian", "Norwegian": "swedish"}[country]
            assert fits == (kind in said.lower() and other not in said.lower())
    assert any(a > 1 for a, _ in ways) and any(a == 1 and b > 1 for a, b in ways)


@pytest.fixture
def wordnet(tmp_path):
    """Chisels and hammers are tools, six levels below the root; pudding is a food."""
    names = ["what_is", "thing", "matter", "stuff", "gear", "tool", "chisel"]
    rows = ["  1 A line of the licence."]
    for n, name in enumerate(names, 1):
        up = f"001 @ {n - 1:08d} n 0000" if n > 1 else "000"
        rows.append(f"{n:08d} 03 n 01 {name} 0 {up} | gloss of {name}")
    rows.append("00000008 03 n 01 hammer 0 001 @ 00000006 n 0000 | gloss of hammer")
    rows.append("00000009 03 n 01 sweet_thing 0 001 @ 00000005 n 0000 | food")
    rows.append("00000010 03 n 01 pudding 0 001 @ 00000009 n 0000 | gloss of pudding")
    (tmp_path / "data.noun").write_text("\n".join(rows) + "\n")
    words = {"chisel": 7, "hammer": 8, "pudding": 10}
    index = [f"{word} n 1 1 @ 1 1 {place:08d}" for word, place in words.items()]
    (tmp_path / "index.noun").write_text("  1 A line.\n" + "\n".join(index) + "\n")
    return tmp_path


def test_senses_are_contrasted_with_other_senses(wordnet):
    sentences = ["He took the chisel.", "They ate some pudding.", "She lost her hammer."]
    source = SenseSource(WordNet(wordnet), sentences, 2)
    for n in range(100):
        drawn = source.draw(random.Random(n))
        for (said, context), fits in zip(drawn.pairs, drawn.fits, strict=True):
            word = context.text[context.start : context.end]
            if said.lower().removeprefix("a ").removesuffix("s") == "tool":
                assert fits == (word in ("chisel", "hammer"))


def test_a_few_steps_tell_types_apart_and_leave_the_backbone_unchanged(tmp_path):
    encoder = TypeAwareEncoder.from_pretrained(dtype="float32")

    def draw(rng: random.Random) -> Judgements:
        kind = rng.choice(list(KINDS))
        (other,) = KINDS.keys() - {kind}

        def mention(name: str) -> MentionContext:
            return MentionContext(f"We saw {name} again.", 7, 7 + len(name))

        right, wrong = rng.choice(KINDS[kind][:2]), rng.choice(KINDS[other][:2])
        return Judgements.of_description(kind, [mention(right)], [mention(wrong)])

    loop = LoopOptions(steps=25, folder=tmp_path, evaluate_every=25)
    options = PairOptions(batch=4, rank=4, warmup=5, learning_rate=2e-3)
    backbone = encoder.source.load([encoder.backbone.top])
    model, history = train_pair_model(backbone, draw, options, loop)
    assert len(history) == 1 and (tmp_path / "checkpoint.pt").exists()
    model.save(tmp_path)
    assert {n.rpartition(".")[2] for n in load_file(tmp_path / model.WEIGHTS)} == {
        "lora_A", "lora_B", "weight", "bias"
    }  # fmt: skip
    judge = PairScorer(model, lambda: encoder.source.load([encoder.backbone.top]))
    seen = {
        (kind, name): judge.logits(kind, [Passage(f"We saw {name} again.", 7, 7 + len(name))])[0]
        for kind in KINDS
        for name in (BANDS[0], RIVERS[0])
    }
    assert seen["metal band", BANDS[0]] > seen["metal band", RIVERS[0]] + 1
    assert seen["river", RIVERS[0]] > seen["river", BANDS[0]] + 1
    again, more = train_pair_model(encoder.source.load([encoder.backbone.top]), draw, options, loop)
    assert more == history and again.bias == model.bias  # resumes where it ended
    fresh = encoder.source.load([encoder.backbone.top])
    further = LoopOptions(steps=1, evaluate_every=1)
    stay = PairOptions(batch=4, rank=4, warmup=5, learning_rate=0, head_learning_rate=0)
    continued, _ = train_pair_model(fresh, draw, stay, further, start=model)
    assert continued.deltas.keys() == model.deltas.keys()
    passage = Passage("We saw Frostheim again.", 7, 16)
    same = PairScorer(continued, lambda: encoder.source.load([encoder.backbone.top]))
    assert same.logits("river", [passage]) == pytest.approx(
        judge.logits("river", [passage]), abs=1e-3
    )


def test_recipe_draws_from_every_source(mined, wordnet, monkeypatch, tmp_path):
    manuals = tmp_path / "manuals"
    manuals.mkdir()
    line = "Pass --no-cache-{0} to Oslo, or mail user{0}@acme.org if 10.0.0.{0} fails for a while."
    (manuals / "changes").write_text("\n\n".join(line.format(n) for n in range(9)))
    terms = tmp_path / "terms.json"
    terms.write_text('{"tool": ["hammer", "chisel"]}')
    names = {"river": "river", "person": "person"}
    texts = [
        TypedText("Ada Lovelace sailed on the Thames.", [(0, 12, "person"), (27, 33, "river")]),
        TypedText("A chisel and a hammer, said Ada Lovelace.", [(28, 40, "person")]),
    ]
    lists = [
        ListedType("river", "Towns on the Rhine and the Danube grew with trade.", 9, False),
        ListedType("chorus of Stegosaurus", "Oslo has songs.", 9, False),
    ]
    drawn = []
    for kind in SOURCES:
        plain = kind.draw
        monkeypatch.setattr(
            kind,
            "draw",
            lambda self, rng, plain=plain: drawn.append(type(self)) or plain(self, rng),
        )
    data = PairSources(
        TypeAwareEncoder.from_pretrained(),
        Mined.load(mined, MINILM),
        [AnnotatedSet("set", texts, False, names)],
        WordNet(wordnet),
        lists=lists,
        manuals=manuals,
        dictionaries=terms,
    )
    model, history = pair_model_recipe(
        data,
        options=PairOptions(batch=80, rank=4),
        loop=LoopOptions(steps=1, evaluate_every=1, seed=2),
    )
    assert set(drawn) == set(SOURCES)
    assert np.isfinite(history[0]["loss"]) and torch.isfinite(model.bias).all()
    assert {type(source) for source, _ in data.make(["senses"])} == {SenseSource}
    with pytest.raises(ValueError, match="no source is called 'sense'; there are definitions, "):
        data.make(["sense"])
    with pytest.raises(ValueError, match="no data for identifiers"):
        replace(data, manuals=None).make(["identifiers"])
    kinds = roles_in(["She was born in Oslo.", "She died in Rome."], last_words)
    monkeypatch.setattr(pair_sources, "roles_in", lambda texts, detect: kinds)
    with pytest.raises(ValueError, match="no data for roles"):  # one may be the other
        data.make(["roles"])


def last_words(texts: list[str]) -> list[list[tuple[int, int]]]:
    return [[(text.rindex(" ") + 1, len(text) - 1)] for text in texts]
