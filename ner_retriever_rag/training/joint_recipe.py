"""The recipe behind ``train joint``: combine the data, train, and save the encoder."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import save_file

from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.backbone.checkpoints import find_checkpoint
from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
from ner_retriever_rag.encoder.saved import ADAPTATION
from ner_retriever_rag.training.annotated_sets import AnnotatedSet
from ner_retriever_rag.training.articles import paragraphs
from ner_retriever_rag.training.corpus import Mined
from ner_retriever_rag.training.joint import JointData, JointOptions, train_joint
from ner_retriever_rag.training.judgements import DefinitionSource, SenseSource
from ner_retriever_rag.training.loop import LoopOptions
from ner_retriever_rag.training.pair_sources import GROUP_SIZE, common_phrases, running_text
from ner_retriever_rag.training.people import people_of
from ner_retriever_rag.training.recipes import detector_sentences
from ner_retriever_rag.training.sampling import sampling_weights
from ner_retriever_rag.training.wordnet import WordNet

_PARAGRAPHS = 6_000  # paragraphs for the text vector loss
_SHARES = (0.6, 0.4)  # sampling shares of definitions and of WordNet senses among hard negatives


def joint_recipe(
    source: str | Path | None,
    mined: Mined,
    names: Path,
    labelled: Sequence[AnnotatedSet],
    boundaries: Sequence[AnnotatedSet],
    folder: Path,
    *,
    loop: LoopOptions,
    threshold: float,
    wordnet: str | Path | None = None,
    articles: str | Path | None = None,
    teacher: str | Path | None = None,
) -> None:
    """Train backbone, head and detector together, and save the encoder with its backbone.

    Prototypes and known names belong to the old vector space and are left out; the calibration must
    be refitted, with a new background sample.

    Args:
        source: The encoder to start from, as ``TypeAwareEncoder.from_pretrained`` accepts it.
        mined: Source of mined pairs.
        names: ``silver.jsonl.xz`` of a mined folder.
        labelled: Annotated sets whose labels are learned.
        boundaries: Annotated sets of which only the boundaries are learned.
        folder: Output folder.
        loop: Steps, seed, checkpoints.
        threshold: Threshold of the saved detector.
        wordnet: Folder of WordNet's noun files, for paraphrases and senses of common nouns.
        articles: Articles whose paragraphs keep their text vectors; None for mined sentences, on
            which alone the vectors of longer texts drift.
        teacher: Folder or name of the backbone whose text vectors they keep; None for that of the
            initial encoder.
    """
    encoder = TypeAwareEncoder.from_pretrained(source)
    sentences = detector_sentences(
        (),
        names,
        [*labelled, *boundaries],
        people_of(mined.train),
        random.Random(loop.seed),
        characters=200_000,
        silver=9_000,
    )
    phrases = common_phrases(mined.train)
    definitions = DefinitionSource(
        mined,
        mined.train,
        sampling_weights(mined.train),
        phrases,
        encoder.encode_types(phrases),
        GROUP_SIZE,
    )
    sources: list[tuple[DefinitionSource | SenseSource, float]] = [(definitions, _SHARES[0])]
    senses = None if wordnet is None else WordNet(wordnet)
    running = running_text(mined, labelled, random.Random(loop.seed))
    if senses is not None:
        sources.append((SenseSource(senses, running, GROUP_SIZE), _SHARES[1]))
    top = [encoder.backbone.top]
    data = JointData(
        mined,
        labelled,
        sentences,
        running if articles is None else list(islice(paragraphs(articles), _PARAGRAPHS)),
        Backbone(find_checkpoint(teacher), top) if teacher else encoder.source.load(top),
        sources,
        senses,
    )
    trained = train_joint(encoder, data, JointOptions(), loop)
    trained.detector.threshold = threshold
    with TemporaryDirectory() as scratch:
        deltas = Path(scratch) / ADAPTATION
        save_file(trained.deltas, deltas)
        encoder.source = replace(encoder.source, adaptation=deltas)
        encoder.head, encoder.detector = trained.head, trained.detector
        encoder.pair_model = trained.pair_model
        encoder.names = encoder.prototypes = None
        encoder.save_pretrained(folder, backbone=True)
