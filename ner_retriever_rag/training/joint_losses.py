"""Losses of joint training; the data of a step depend only on the seed and the step number."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ner_retriever_rag.encoder.backbone.backbone import Backbone
from ner_retriever_rag.encoder.span_head import SHAPES, SpanHead, Words
from ner_retriever_rag.training.annotated import AnnotatedSentence
from ner_retriever_rag.training.batches import BatchSampler
from ner_retriever_rag.training.corpus import Mined
from ner_retriever_rag.training.judgements import (
    DefinitionSource,
    SenseSource,
    shortened,
    varied,
)
from ner_retriever_rag.training.losses import info_nce
from ner_retriever_rag.training.lowrank import Adaptation
from ner_retriever_rag.training.negatives import NegativeMask
from ner_retriever_rag.training.pairs import samplers
from ner_retriever_rag.training.sampling import sampling_weights
from ner_retriever_rag.training.train_detector import (
    DetectorOptions,
    augment_case,
    span_loss,
    targets,
)
from ner_retriever_rag.training.wordnet import WordNet

_LONGEST = 900  # characters of a sentence
_MIN_DEPTH = 5  # levels below WordNet's root; senses nearer to the root are too broad
_NAMES = 2  # names of a sense sampled for a pair


class PairLoss:
    """In-batch contrastive loss of mined mentions and their types."""

    def __init__(
        self,
        adaptation: Adaptation,
        mined: Mined,
        *,
        pairs: int,
        types: int,
        width: int,
        span_noise: float,
        temperature: float,
        seed: int,
    ) -> None:
        self._adaptation, self._temperature = adaptation, temperature
        self._mask = NegativeMask(mined.hierarchy)
        self._batches = BatchSampler(
            mined.train, sampling_weights(mined.train), samplers(mined, span_noise),
            adaptation.tokenize, batch=pairs, types=types, width=width, seed=seed,
        )  # fmt: skip

    def __call__(self, step: int) -> Tensor:
        """Return the loss of a step."""
        batch = self._batches.at(step)
        vectors, _ = self._adaptation.read(batch.texts, batch.spans)
        types = self._adaptation.read_types([query.text for query in batch.queries])
        mask = self._mask(batch.entities, batch.queries)
        return info_nce(vectors, types, mask, temperature=self._temperature)


class TextLoss:
    """Distillation loss: ``1 - cosine`` of text vectors, which topic search uses, to a teacher's.

    The texts must include paragraphs: if only sentences are distilled, the vectors of longer texts
    drift.

    Args:
        adaptation: The backbone in training.
        teacher: Backbone whose mean-pooled top layer is the target; must share the tokenizer.
        texts: Texts of lengths that users index.
        batch: Texts per step.
        seed: Random seed.
    """

    def __init__(
        self, adaptation: Adaptation, teacher: Backbone, texts: Sequence[str], batch: int, seed: int
    ) -> None:
        ordered = sorted(texts, key=len)  # similar lengths together, for little padding
        size = min(batch, len(ordered))
        self._groups = [ordered[i : i + size] for i in range(0, len(ordered) - size + 1, size)]
        self._adaptation, self._teacher, self._seed = adaptation, teacher, seed

    def __call__(self, step: int) -> Tensor:
        """Return the loss of a step."""
        texts = random.Random(f"{self._seed} texts {step}").choice(self._groups)
        ids, mask = self._adaptation.padded(self._adaptation.tokenize(texts))
        with torch.no_grad():
            target = self._adaptation.means(self._teacher.forward(ids, mask), mask)
        vectors = self._adaptation.means(self._adaptation.backbone.forward(ids, mask), mask)
        return 1 - functional.cosine_similarity(vectors, target).mean()


class HardNegativeLoss:
    """Softmax cross-entropy within groups of pairs, from the sources that train the pair model.

    A group is a mention with several descriptions, or a description with several mentions; the
    wrong ones are hard negatives: near types, siblings that differ in one modifier, other senses.

    Args:
        adaptation: The backbone and head in training.
        sources: Sources of groups, with their sampling weights.
        groups: Groups per step.
        temperature: Divides the cosines.
        seed: Random seed.
    """

    def __init__(
        self,
        adaptation: Adaptation,
        sources: Sequence[tuple[DefinitionSource | SenseSource, float]],
        *,
        groups: int,
        temperature: float,
        seed: int,
    ) -> None:
        self._adaptation, self._groups = adaptation, groups
        self._sources = [source for source, _ in sources]
        self._weights = [weight for _, weight in sources]
        self._temperature, self._seed = temperature, seed

    def __call__(self, step: int) -> Tensor:
        """Return the loss of a step."""
        rng = random.Random(f"{self._seed} hard negatives {step}")
        chosen = rng.choices(self._sources, self._weights, k=self._groups)
        drawn = [source.draw(rng) for source in chosen]
        contexts = {context: None for group in drawn for _, context in group.pairs}
        row_of = {context: row for row, context in enumerate(contexts)}
        tokens = self._adaptation.tokenize([context.text for context in contexts])
        spans = [(row, context.start, context.end) for context, row in row_of.items()]
        vectors, _ = self._adaptation.read(tokens, spans)
        types = self._adaptation.read_types([text for group in drawn for text, _ in group.pairs])
        rows = torch.tensor([row_of[context] for group in drawn for _, context in group.pairs])
        logits = (vectors[rows] * types).sum(dim=1) / self._temperature
        losses = []
        for group, of_group in zip(
            drawn, torch.split(logits, [len(group.pairs) for group in drawn]), strict=True
        ):
            right = of_group[torch.tensor(group.fits)]
            losses.append(of_group.logsumexp(0) - right.logsumexp(0))
        return torch.stack(losses).mean()


class ParaphraseLoss:
    """In-batch contrastive loss of paraphrases of a type: names and gloss of a WordNet sense.

    Args:
        adaptation: The backbone and head in training.
        wordnet: The senses.
        senses: Senses per step, half of them sampled from those with synonyms.
        temperature: Divides the cosines.
        seed: Random seed.

    Raises:
        ValueError: If WordNet has fewer than two senses that are specific enough.
    """

    def __init__(
        self,
        adaptation: Adaptation,
        wordnet: WordNet,
        *,
        senses: int,
        temperature: float,
        seed: int,
    ) -> None:
        self._adaptation, self._wordnet, self._half = adaptation, wordnet, senses // 2
        self._temperature, self._seed = temperature, seed
        self._all = [
            offset
            for offset, synset in wordnet.synsets.items()
            if wordnet.depth.get(offset, 0) >= _MIN_DEPTH and synset.gloss
        ]
        if len(self._all) < 2:
            raise ValueError("paraphrases need at least two senses that are specific enough")
        self._synonyms = [each for each in self._all if len(wordnet.synsets[each].names) > 1]

    def __call__(self, step: int) -> Tensor:
        """Return the loss of a step."""
        rng = random.Random(f"{self._seed} paraphrases {step}")
        senses = [
            *rng.sample(self._all, min(self._half, len(self._all))),
            *rng.sample(self._synonyms, min(self._half, len(self._synonyms))),
        ]
        senses = list(dict.fromkeys(senses))
        pairs = [self._paraphrases(sense, rng) for sense in senses]
        vectors = self._adaptation.read_types([text for column in zip(*pairs, strict=True)
                                               for text in column])  # fmt: skip
        one, other = torch.split(vectors, len(senses))
        return info_nce(one, other, self._not_negative(senses), temperature=self._temperature)

    def _paraphrases(self, sense: int, rng: random.Random) -> tuple[str, str]:
        synset = self._wordnet.synsets[sense]
        names = rng.sample(synset.names, min(_NAMES, len(synset.names)))
        if len(names) < _NAMES or rng.random() < 0.5:
            names = names[:1]
        one, other = rng.sample([*names, shortened(synset.gloss, rng)], 2)
        return varied(one, rng), varied(other, rng)

    def _not_negative(self, senses: Sequence[int]) -> Tensor:
        """Mark pairs of senses of which one is broader than the other, bool ``(n, n)``."""
        above = [set(self._wordnet.broader(sense)) for sense in senses]
        names = [set(self._wordnet.synsets[sense].names) for sense in senses]
        broader = [[bool(own & others) for others in above] for own in names]
        mask = torch.tensor(broader)
        return mask | mask.T


class SpanLoss:
    """Loss of a span head on annotated sentences, read by the backbone in training."""

    def __init__(
        self,
        adaptation: Adaptation,
        detector: SpanHead,
        sentences: Sequence[AnnotatedSentence],
        batch: int,
        seed: int,
    ) -> None:
        fit = [s for s in sentences if len(s.text) < _LONGEST and len(Words(s.text))]
        if not fit:
            raise ValueError("there is no sentence to train on")
        fit.sort(key=lambda sentence: len(sentence.text))  # so that little of a batch is padding
        size = min(batch, len(fit))
        self._groups = [fit[i : i + size] for i in range(0, len(fit) - size + 1, size)]
        self._adaptation, self._detector, self._seed = adaptation, detector, seed
        self._options = DetectorOptions()

    def __call__(self, step: int) -> Tensor:
        """Return the loss of a step."""
        epoch, place = divmod(step, len(self._groups))
        order = list(range(len(self._groups)))
        random.Random(f"{self._seed} spans {epoch}").shuffle(order)
        group = self._groups[order[place]]
        tokens = self._adaptation.tokenize([sentence.text for sentence in group])
        ids, mask = self._adaptation.padded(tokens)
        taps = self._adaptation.backbone.forward(ids, mask)
        words = [Words(sentence.text) for sentence in group]
        longest = max(map(len, words))
        inside = torch.zeros(len(group), longest, ids.shape[1])
        shapes = torch.zeros(len(group), longest, SHAPES)
        target = torch.full((len(group), longest, self._detector.max_words), -1, dtype=torch.int8)
        for row, (sentence, of_it) in enumerate(zip(group, words, strict=True)):
            word = of_it.of_tokens(tokens[row].offsets)
            real = np.flatnonzero(word >= 0)
            count = np.bincount(word[real], minlength=len(of_it))
            share = torch.from_numpy(1 / count[word[real]]).float()
            inside[row, word[real], real + self._adaptation.before] = share
            shapes[row, : len(of_it)] = torch.from_numpy(of_it.shapes)
            wanted = targets(sentence, of_it, self._detector.max_words)
            wanted[count == 0] = -1  # beyond the truncated text
            target[row, : len(of_it)] = torch.from_numpy(wanted)
        states = [taps[tap] for tap in self._detector.taps]
        vectors = torch.cat([(inside.to(each) @ each).float() for each in states], -1)
        logits = self._detector(vectors, augment_case(shapes, self._options))
        return span_loss(logits, target, self._options)
