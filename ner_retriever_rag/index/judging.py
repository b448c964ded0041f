"""A user's judgements of answers: kept with the index, and counted in by every search."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_retriever_rag.candidates.mention_table import MentionTable
from ner_retriever_rag.schema import (
    Document,
    DocumentMatch,
    JudgeReport,
    MentionMatch,
    kind_of,
)
from ner_retriever_rag.search.judged_types import as_judged, mentions_judged
from ner_retriever_rag.search.search import Search
from ner_retriever_rag.storage.protocol import DocumentStore
from ner_retriever_rag.storage.records import StoredJudgement

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.storage.place import Place
    from ner_retriever_rag.storage.shards import Places

Judgeable = str | Document | DocumentMatch | MentionMatch


class Judging:
    """The judging half of ``EntityIndex``.

    Attributes:
        encoder: What turns texts and type descriptions into vectors.
    """

    encoder: TypeAwareEncoder
    _store: DocumentStore
    _place: Place | Places
    _search: Search

    def judge(
        self,
        description: str,
        *,
        right: Sequence[Judgeable] = (),
        wrong: Sequence[Judgeable] = (),
    ) -> JudgeReport:
        """Say which answers to a type description are right and which are wrong.

        From ten to twenty judgements, best of answers from all over a ranking, the index learns for
        this description what is like the right ones, how sure to be, and where a search for all
        (``k=None``) stops. They are kept with the index, add up, and count in every later search
        for the description, in every process that opens the index. A later judgement of a mention
        replaces an earlier one.

        Args:
            description: The type description, as it is searched for; case does not matter.
            right: Documents (by id too, or as they were found) or mentions that are of the type. Of
                a document its best mention is meant.
            wrong: Likewise, that are not. Of a document all mentions are meant, the best eight.

        Returns:
            How many answers have been judged for the description by now.

        Raises:
            TypeError: If ``description`` is not a string, or something judged is no document or
                mention.
            ValueError: If nothing is judged, a document or mention is not in the index, or is
                judged both right and wrong, or the encoder has no calibration.
            RuntimeError: If another process has the folder open.
        """
        kind = as_judged(description)
        if self.encoder.calibration is None or self.encoder.similarity != "cosine":
            raise ValueError("judging needs an encoder with a calibration; this one has none")
        items = [(each, True) for each in _listed("right", right)]
        items += [(each, False) for each in _listed("wrong", wrong)]
        if not items:
            raise ValueError("judge needs answers: give right, wrong, or both")
        doc_ids = [doc_id for each, _ in items for doc_id in _document_of(each)]
        table = self._search.table_with(description, doc_ids)
        log_odds = self._search.unjudged(description, table)
        verdicts: dict[int, bool] = {}
        telling: set[int] = set()
        for item, verdict in items:
            mentions = _mentions(item, table, log_odds, verdict)
            telling.add(mentions[0])
            for mention in mentions:
                if verdicts.setdefault(mention, verdict) != verdict:
                    raise ValueError(f"{table.text(mention)!r} is judged both right and wrong")
        rows = [
            StoredJudgement(
                kind,
                table.doc_ids[table.owner[mention]],
                table.span(mention),
                verdict,
                mention in telling,
                float(log_odds[mention]),
                np.asarray(table.vectors[mention], dtype=np.float32),
            )
            for mention, verdict in verdicts.items()
        ]
        with self._place.writing():
            self._store.recover()
            self._store.judge(rows)
        return self.judged()[kind]

    def judged(self) -> dict[str, JudgeReport]:
        """The descriptions that answers have been judged for, and how many of each."""
        found: defaultdict[str, list[bool]] = defaultdict(list)
        for each in self._store.judgements():
            if each.telling:
                found[each.type].append(each.right)
        return {
            kind: JudgeReport(sum(verdicts), len(verdicts) - sum(verdicts))
            for kind, verdicts in sorted(found.items())
        }

    def forget_judgements(self, description: str) -> int:
        """Forget what was judged for a description.

        Args:
            description: As in ``judge``.

        Returns:
            How many answers had been judged.

        Raises:
            TypeError: As ``judge``.
            ValueError: If ``description`` is empty.
            RuntimeError: As ``judge``.
        """
        kind = as_judged(description)
        with self._place.writing():
            self._store.recover()
            dropped = [each for each in self._store.judgements() if each.type == kind]
            if dropped:
                self._store.judge([], dropped)
        return sum(each.telling for each in dropped)


def _listed(name: str, given: Sequence[Judgeable]) -> list[Judgeable]:
    if isinstance(given, str | Document | DocumentMatch | MentionMatch):
        raise TypeError(f"{name} must be a list of documents or mentions, not {kind_of(given)}")
    return list(given)


def _document_of(item: object) -> list[str]:
    """The id of what is judged; none of what cannot be."""
    if isinstance(item, MentionMatch | DocumentMatch):
        return [item.doc_id]
    return [item.id] if isinstance(item, Document) else [item] if isinstance(item, str) else []


def _mentions(
    item: Judgeable, table: MentionTable, log_odds: NDArray[np.floating], right: bool
) -> list[int]:
    if isinstance(item, DocumentMatch) and right and item.matches:
        item = item.matches[0]
    if isinstance(item, MentionMatch):
        doc_id, span = item.doc_id, (item.start, item.end)
    elif isinstance(item, DocumentMatch | Document):
        doc_id, span = (item.doc_id if isinstance(item, DocumentMatch) else item.id), None
    elif isinstance(item, str):
        doc_id, span = item, None
    else:
        raise TypeError(f"a document, its id, or a mention can be judged, not {kind_of(item)}")
    if (row := table.row_of.get(doc_id)) is None:
        raise ValueError(f"document {doc_id!r} is not in the index")
    if span is None:
        if not (found := mentions_judged(table, log_odds, row, right)):
            raise ValueError(f"document {doc_id!r} has no mention that could be judged")
        return found
    places = table.mentions_of(row)
    same = [n for n in range(places.start, places.stop) if table.span(n) == span]
    if not same:
        raise ValueError(f"document {doc_id!r} has no mention at {span}")
    return same
