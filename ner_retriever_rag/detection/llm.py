"""A generative model as a mention detector: it copies the text and marks the names in it.

Follows CascadeNER (Luo et al., 2024, arXiv 2409.11022): the model is asked to repeat a passage with
``##`` before and after every name, which small models do better than listing offsets.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ner_retriever_rag.detection.alignment import MARKS, align, mark_for
from ner_retriever_rag.detection.spans import ScoredSpan, mentions_by_passage
from ner_retriever_rag.schema import Mention

INSTRUCTIONS = """\
Your task is to mark the names in a passage. Send the passage back exactly as it is, letter by \
letter, with {mark} put right before and right after every name in it. A name is what one \
particular thing is called: a person, group, place, building, work, product, event, award, \
species, disease, substance, language, law, or anything else. Mark every name each time it occurs, \
at its full length. Do not mark words that merely describe. Say nothing else. If there is no name, \
send the passage back unchanged."""

EXAMPLES = (
    "In 1936 ##Rita Levi-Montalcini## took her degree at the ##University of Turin##, years before "
    "the ##Nobel Prize in Physiology or Medicine##.",
    "most people who catch ##dengue fever## get better with rest, water and ##paracetamol##",
    "She put the kettle on and waited for the rain to stop.",
    "The ##Sea Harrier## flew from ##HMS Hermes## during the ##Falklands War##; a ##peregrine "
    "falcon## nested on the deck.",
)

_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)


class LLMDetector:
    """Finds mentions with a generative model. A bad answer loses mentions but never raises.

    Long texts are sent in passages of whole sentences. The answers are aligned with the text
    (:mod:`ner_retriever_rag.detection.alignment`); marks that fit nowhere are dropped. A passage
    on which the model raises has no mentions; all such passages share one warning.

    Args:
        model: A LangChain chat model (anything with its ``batch``), or the hub id or folder of a
            transformers text-generation model.
        instructions: The system prompt; ``{mark}`` is the placeholder for the mark.
        examples: Passages with their names between ``##``, shown as earlier turns.
        max_concurrency: Concurrent requests, for chat models that support them.
        passage_characters: Maximum characters per passage.

    Raises:
        TypeError: If ``model`` is neither.
        ValueError: If ``instructions`` lacks ``{mark}`` or ``passage_characters`` is not positive.
    """

    def __init__(
        self,
        model: str | Path | Any,
        *,
        instructions: str = INSTRUCTIONS,
        examples: Sequence[str] = EXAMPLES,
        max_concurrency: int = 8,
        passage_characters: int = 1_200,
    ) -> None:
        if isinstance(model, str | Path):
            from ner_retriever_rag.detection.generation import TransformersChat

            model = TransformersChat(model)
        if not callable(getattr(model, "batch", None)):
            raise TypeError(
                "model must be a LangChain chat model or the name of a transformers model, not "
                f"{type(model).__name__}"
            )
        if "{mark}" not in instructions:
            raise ValueError("instructions must contain {mark}, the placeholder for the mark")
        if passage_characters < 1:
            raise ValueError(f"passage_characters must be positive, not {passage_characters}")
        self.model = model
        self.instructions = instructions
        self.examples = tuple(examples)
        self.max_concurrency = max_concurrency
        self.passage_characters = passage_characters

    def detect(self, texts: Sequence[str]) -> list[list[Mention]]:
        """Find the mentions of each text. A model gives no confidence: every score is 1."""
        return mentions_by_passage(texts, self.passage_characters, self._marked)

    def messages(self, passage: str) -> list[tuple[str, str]]:
        """Build the messages for a passage: instructions, examples, the passage."""
        mark = mark_for(passage)
        turns = [("system", self.instructions.replace("{mark}", mark))]
        for example in self.examples:
            turns.append(("human", example.replace(MARKS[0], "")))
            turns.append(("ai", example.replace(MARKS[0], mark)))
        return [*turns, ("human", passage)]

    def _marked(self, asked: list[str]) -> Iterator[list[ScoredSpan]]:
        for passage, answer in zip(asked, self._ask(asked), strict=True):
            # Truncated, since a model may go on forever: alignment time grows with the length.
            answer = _THINKING.sub("", answer)[: 4 * len(passage) + 2_000]
            yield [(start, end, 1.0) for start, end in align(answer, passage, mark_for(passage))]

    def _ask(self, asked: list[str]) -> list[str]:
        """The model's answer to each passage; empty if it raised or sent no text."""
        if not asked:
            return []
        try:
            answers = list(
                self.model.batch(
                    [self.messages(passage) for passage in asked],
                    config={"max_concurrency": self.max_concurrency},
                    return_exceptions=True,
                )
            )
            if len(answers) != len(asked):
                raise ValueError(f"{len(answers)} answers to {len(asked)} passages")
        except Exception as error:  # whatever a provider's client raises
            answers = [error] * len(asked)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        if failures:
            warnings.warn(
                f"the model failed on {len(failures)} of {len(asked)} passages, whose mentions are "
                f"lost; the first error was {failures[0]!r}",
                RuntimeWarning,
                stacklevel=5,
            )
        return [_written(answer) for answer in answers]


def _written(answer: Any) -> str:
    """Text of a chat model's answer: a string, a message, or a message of several blocks."""
    content = answer if isinstance(answer, str) else getattr(answer, "content", None)
    if isinstance(content, list):
        blocks = (each.get("text") if isinstance(each, dict) else each for each in content)
        return "".join(block for block in blocks if isinstance(block, str))
    return content if isinstance(content, str) else ""
