"""The shipped mention detector: scores spans on the token states of the same forward pass.

Every run of up to ``max_words`` words gets a score from its first word, its last word, the words
inside and its length, so nested and adjacent mentions are all found. Crossing spans are resolved by
score, and no span crosses the end of a sentence or a line. There are no types and no schema.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from ner_retriever_rag.encoder.backbone.states import TokenStates
from ner_retriever_rag.reading.sentences import sentence_spans
from ner_retriever_rag.schema import Mention

WORD = re.compile(r"\w+|[^\w\s]")
_BAR = re.compile(r"(?<= )\|(?= )")
_CLOSING_SIGNS = frozenset(".,;:!?…)]}")  # these start no name unless attached to it (".NET")
WEIGHTS, CONFIG = "detector.safetensors", "detector.json"
SHAPES = 9
FRAGMENT = 0.4  # of the probability of an enclosing span; a span with less is dropped
_BLOCK = 256  # words per block of products
_BATCH_WORDS = 4_096  # words per batch, padding included


class Words:
    """The words of a text (runs of letters and digits; any other symbol alone) and their shapes.

    Attributes:
        starts: int64 ``(n,)``, first character of each word.
        ends: int64 ``(n,)``, one past its last character.
        shapes: float32 ``(n, SHAPES)``: capitalized, all capitals, mixed case, lower case, digits,
            contains a digit, a symbol, first in the text or after one of ``.!?``, attached to the
            previous word.
    """

    def __init__(self, text: str) -> None:
        """Split ``text`` into words."""
        found = [(m.start(), m.end()) for m in WORD.finditer(text)]
        spans = np.asarray(found, dtype=np.int64).reshape(-1, 2)
        self.starts, self.ends = spans[:, 0], spans[:, 1]
        found_shapes = [_shape(text[start:end]) for start, end in found]
        self.shapes = np.zeros((len(found), SHAPES), dtype=np.float32)
        self.shapes[:, :7] = np.asarray(found_shapes, dtype=np.float32).reshape(-1, 7)
        if found:
            stops = np.asarray([text[start] in ".!?" for start, _ in found])
            self.shapes[:, 7] = np.concatenate([[True], stops[:-1]])
            self.shapes[1:, 8] = self.starts[1:] == self.ends[:-1]

    def __len__(self) -> int:
        return len(self.starts)

    def of_tokens(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Index of the word that each token belongs to, int64 ``(tokens,)``; -1 before the first.

        Args:
            offsets: ``(tokens, 2)``, character offsets of the tokens.
        """
        # By the token's last character, since some tokenizers include a leading space in the token.
        return np.searchsorted(self.starts, offsets[:, 1] - 1, side="right") - 1

    def pool(self, offsets: NDArray[np.int64], vectors: Tensor) -> Tensor:
        """Mean token vector of each word, ``(n, width)``; zero for a word without tokens.

        Args:
            offsets: ``(tokens, 2)``, character offsets of the tokens.
            vectors: ``(tokens, width)``.
        """
        word = torch.from_numpy(self.of_tokens(offsets))
        keep = word >= 0
        word, vectors = word[keep], vectors[keep]
        total = vectors.new_zeros(len(self), vectors.shape[1]).index_add_(0, word, vectors)
        count = vectors.new_zeros(len(self)).index_add_(0, word, vectors.new_ones(len(word)))
        return total / count.clamp(min=1).unsqueeze(1)


@lru_cache(maxsize=65_536)  # most words recur from text to text
def _shape(word: str) -> tuple[bool, ...]:
    letters = word.isalpha()
    title = word[:1].isupper() and (len(word) == 1 or word[1:].islower())
    return (
        title,
        len(word) > 1 and word.isupper(),
        letters and not title and not word.isupper() and not word.islower(),
        word.islower(),
        word.isdigit(),
        any(c.isdigit() for c in word) and not word.isdigit(),
        not word[:1].isalnum(),
    )


class SpanHead(nn.Module):
    """Scores every span of up to ``max_words`` words.

    Args:
        taps: Taps read from the backbone, as written (``["hidden@2", "hidden@4"]``).
        width: Sum of their widths.
        hidden: Hidden width.
        max_words: Longest span, in words (symbols count).
        threshold: Minimum probability of a mention; lower finds more, higher is more precise.
    """

    WEIGHTS = WEIGHTS

    def __init__(
        self,
        taps: Sequence[str],
        width: int,
        *,
        hidden: int = 192,
        max_words: int = 12,
        threshold: float = 0.5,
    ) -> None:
        super().__init__()
        self.taps = tuple(taps)
        self.width, self.hidden, self.max_words = width, hidden, max_words
        self.threshold = threshold
        self.inner = nn.Linear(width, hidden)
        self.shape = nn.Linear(SHAPES, hidden)
        self.around = nn.ModuleList(nn.Conv1d(hidden, hidden, 3, padding=1) for _ in range(2))
        self.norm = nn.LayerNorm(hidden)
        self.first = nn.Linear(hidden, hidden // 2)
        self.last = nn.Linear(hidden, hidden // 2)
        self.roles = nn.Linear(hidden, 6)  # first, last, inside, just before, just after, alone
        self.lengths = nn.Parameter(torch.zeros(max_words))
        self.dropout = nn.Dropout(0.2)

    def forward(self, vectors: Tensor, shapes: Tensor) -> Tensor:
        """Compute the logits of all spans.

        Args:
            vectors: ``(batch, words, width)``, mean token vectors.
            shapes: ``(batch, words, SHAPES)``; rows of padding are zero in both.

        Returns:
            ``(batch, words, max_words)``; entry ``[b, i, k]`` is the span of words i to i + k.
            Spans that extend past the end of a text are -inf only if they leave the padded batch.
        """
        batch, words, _ = vectors.shape
        told = torch.cat([vectors[..., :8], shapes], -1)  # eight components suffice to spot padding
        real = (told != 0).any(-1, keepdim=True).float()
        x = real * functional.gelu(self.inner(self.dropout(vectors)) + self.shape(shapes))
        for convolution in self.around:
            near = convolution(self.dropout(x).transpose(1, 2)).transpose(1, 2)
            x = x + real * functional.gelu(near)
        x = self.dropout(self.norm(x))
        most = self.max_words
        first = self.first(x) * (self.hidden // 2) ** -0.5
        last = functional.pad(self.last(x), (0, 0, 0, most))
        pairs = _pairs(first, last, most)
        roles = functional.pad(real * self.roles(x), (0, 0, 1, most))  # word i is row i + 1
        inside = functional.pad(roles[..., 2].cumsum(1), (1, 0))  # [j] sums rows before j
        at, more = torch.arange(words)[:, None].to(x.device), torch.arange(most).to(x.device)
        end = at + more
        score = pairs + roles[:, at + 1, 0] + roles[:, end + 1, 1] + self.lengths
        score = score + (inside[:, end + 2] - inside[:, at + 1]) / (more + 1)
        score = score + roles[:, at, 3] + roles[:, (end + 2).clamp(max=words + most), 4]
        alone = functional.pad(roles[:, 1 : words + 1, 5:], (0, most - 1))
        scores: Tensor = (score + alone).masked_fill(end >= words, float("-inf"))
        return scores

    def mentions(
        self, text: str, states: TokenStates, threshold: float | None = None
    ) -> list[Mention]:
        """Find the mentions of one text, ordered by start, then end.

        Args:
            text: The original string.
            states: Its token states, with this head's taps among others.
            threshold: Overrides ``self.threshold``.

        Raises:
            KeyError: If a tap of this head was not read.
        """
        return self.mentions_of([text], [states], threshold)[0]

    def mentions_of(
        self,
        texts: Sequence[str],
        states: Sequence[TokenStates],
        threshold: float | None = None,
    ) -> list[list[Mention]]:
        """Find the mentions of several texts; texts of similar length are scored together.

        Args:
            texts: The original strings.
            states: Token states of each.
            threshold: Overrides ``self.threshold``.

        Raises:
            KeyError: If a tap of this head was not read.
        """
        threshold = self.threshold if threshold is None else threshold
        words = [Words(text) for text in texts]
        found: list[list[Mention]] = [[] for _ in texts]
        order = sorted(range(len(texts)), key=lambda i: len(words[i]))
        todo = [i for i in order if len(words[i]) and len(states[i])]
        while todo:
            # The longest remaining text determines how many fit.
            rows = todo[-max(1, _BATCH_WORDS // len(words[todo[-1]])) :]
            del todo[-len(rows) :]
            pooled = []
            for i in rows:
                vectors = torch.cat([states[i].taps[tap] for tap in self.taps], dim=1)
                pooled.append(words[i].pool(states[i].offsets, vectors))
            shapes = [torch.from_numpy(words[i].shapes) for i in rows]
            with torch.inference_mode():
                logits = self.eval()(
                    pad_sequence(pooled, batch_first=True), pad_sequence(shapes, batch_first=True)
                )
            for i, probability in zip(rows, logits.sigmoid().numpy(), strict=True):
                found[i] = _mentions(texts[i], words[i], probability, threshold)
        return found

    def save(self, folder: str | Path, *, dtype: torch.dtype = torch.float16) -> None:
        """Write ``detector.safetensors`` and ``detector.json`` into a folder, created if needed."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: value.to(dtype).contiguous() for name, value in self.state_dict().items()}
        save_file(weights, folder / WEIGHTS)
        config = {
            "taps": list(self.taps),
            "width": self.width,
            "hidden": self.hidden,
            "max_words": self.max_words,
            "threshold": self.threshold,
        }
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> SpanHead:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: If a file is missing.
        """
        folder = Path(folder)
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        head = cls(config.pop("taps"), config.pop("width"), **config)
        head.load_state_dict({k: v.float() for k, v in load_file(folder / WEIGHTS).items()})
        return head.eval().requires_grad_(False)


def _pairs(first: Tensor, last: Tensor, most: int) -> Tensor:
    """Inner products of every word with itself and the next few: ``(batch, words, most)``.

    A block's words are multiplied with every word within reach, of which the diagonal and the next
    few above it are kept; blocks keep the cost linear in the number of words.

    Args:
        first: ``(batch, words, width)``.
        last: ``(batch, words + most, width)``.
        most: Products per word.
    """
    blocks = []
    for start in range(0, first.shape[1], _BLOCK):
        block = first[:, start : start + _BLOCK]
        batch, words, _ = block.shape
        row = words + most
        product = block @ last[:, start : start + row].transpose(1, 2)
        blocks.append(product.as_strided((batch, words, most), (words * row, row + 1, 1)))
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks, 1)


def _mentions(
    text: str, words: Words, probability: NDArray[np.float32], threshold: float
) -> list[Mention]:
    """Spans of one text with at least ``threshold``, without those that cross better ones.

    A span that crosses the end of a sentence or a line, or a boundary of the view, is no mention,
    whatever its probability.

    Args:
        text: The original string.
        words: Its words.
        probability: ``(at least len(words), max_words)``; spans past the end of the text are
            skipped.
        threshold: Minimum probability.
    """
    probability = _skip_leading_punctuation(text, words, probability)
    first, more = np.nonzero((probability >= threshold) & (probability > 0))
    inside = first + more < len(words)
    first, more = first[inside], more[inside]
    starts = np.asarray([start for start, _ in sentence_spans(text)], dtype=np.int64)
    sentence = np.searchsorted(starts, words.starts, side="right")
    bars = np.asarray([bar.start() for bar in _BAR.finditer(text)], dtype=np.int64)
    before, after = (np.searchsorted(bars, edges) for edges in (words.starts, words.ends))
    last = first + more
    whole = (sentence[first] == sentence[last]) & (before[first] == after[last])
    first, more = first[whole], more[whole]
    spans = [
        (int(words.starts[i]), int(words.ends[j - 1]), score)
        for i, j, score in resolve(first, first + more + 1, probability[first, more])
    ]
    return [Mention(text[start:end], start, end, score) for start, end, score in spans]


def _skip_leading_punctuation(
    text: str, words: Words, probability: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Move the start of spans past a leading symbol that ends the text before, to the next word.

    In "vs. FC Bayern" the span with the best score may include the full stop of "vs.".
    """
    apart = np.append(words.shapes[1:, 8] == 0, True)
    loose = [i for i in np.flatnonzero(apart) if text[words.starts[i]] in _CLOSING_SIGNS]
    if not loose:
        return probability
    begun = probability.copy()
    for i in loose:
        if i + 1 < len(words):
            np.maximum(begun[i + 1, :-1], begun[i, 1:], out=begun[i + 1, :-1])
        begun[i] = 0
    return begun


def resolve(
    starts: NDArray[np.int64], ends: NDArray[np.int64], scores: NDArray[np.float32]
) -> list[tuple[int, int, float]]:
    """Drop spans that cross a better one, and fragments of far likelier ones ("SS" of a ship name).

    Nested and adjacent spans are kept.

    Returns:
        ``(start, end, score)``, ordered by start, then end.
    """
    kept: list[tuple[int, int, float]] = []
    # word -> kept spans that cover it
    covering: defaultdict[int, list[tuple[int, int, float]]] = defaultdict(list)
    for at in np.argsort(-scores, kind="stable"):
        i, j = int(starts[at]), int(ends[at])
        # A span that crosses this one covers its first or its last word.
        rivals = covering[i] + covering[j - 1]
        if any(a < i < b < j or i < a < j < b for a, b, _ in rivals):
            continue
        score = float(scores[at])
        if any(a <= i and j <= b and score < FRAGMENT * surer for a, b, surer in rivals):
            continue
        kept.append((i, j, score))
        for word in range(i, j):
            covering[word].append((i, j, score))
    return sorted(kept)
