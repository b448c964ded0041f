"""What every mention detector offers."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from ner_retriever_rag.schema import Mention


@runtime_checkable
class MentionDetector(Protocol):
    """Finds the mentions of entities in texts. Types play no part."""

    def detect(self, texts: Sequence[str]) -> list[list[Mention]]:
        """Find the mentions of each text.

        Args:
            texts: The texts, as they will be indexed.

        Returns:
            For each text its mentions, in order of start, then end; offsets are those of the
            string given.
        """
        ...
