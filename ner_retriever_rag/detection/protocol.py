"""Interface of mention detectors."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from ner_retriever_rag.schema import Mention


@runtime_checkable
class MentionDetector(Protocol):
    """Finds the mentions of entities in texts, regardless of type."""

    def detect(self, texts: Sequence[str]) -> list[list[Mention]]:
        """Find the mentions of each text.

        Args:
            texts: The texts, as they will be indexed.

        Returns:
            For each text its mentions, ordered by start, then end; offsets refer to the string
            given.
        """
        ...
