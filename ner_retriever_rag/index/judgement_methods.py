"""A user's relevance judgments: stored with the index, and used by every search."""

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
    type_name,
)
from ner_retriever_rag.search.judged_types import judged_mentions, judgement_key
from ner_retriever_rag.search.search import Search
from ner_retriever_rag.storage.protocol import DocumentStore
from ner_retriever_rag.storage.records import StoredJudgement

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.storage.place import Place
    from ner_retriever_rag.storage.shards import Places

Judgeable = str | Document | DocumentMatch | MentionMatch


class JudgementMethods:
    """The relevance-judgment methods of ``EntityIndex``.

    Attributes:
        encoder: Encodes texts and type descriptions.
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
        """Judge results of a type description as right or wrong (relevance feedback).

        From ten to twenty judgments, ideally spread over the whole ranking, the index learns for
        this description what right results look like, how to calibrate their scores, and where an
        unlimited search (``k=None``) stops. Judgments are stored with the index, accumulate, and
        apply to every later search for the description, in every process that opens the index. A
        later judgment of a mention replaces an earlier one.

        Args:
            description: The type description, as used in searches; case does not matter.
            right: Documents (or their ids, or search results) or mentions that are of the type. A
                document stands for its best mention.
            wrong: Likewise, those that are not. A document stands for all its mentions, up to the
                best eight.

        Returns:
            The number of results judged for the description so far.

        Raises:
            TypeError: If ``description`` is not a string, or a judged item is not a document or
                mention.
            ValueError: If nothing is judged, a document or mention is not in the index, or is
                judged both right and wrong, or the encoder has no calibration.
            RuntimeError: If another process has the folder open.
        """
        kind = judgement_key(description)
        if self.encoder.calibration is None or self.encoder.similarity != "cosine":
            raise ValueError("judging needs an encoder with a calibration; this one has none")
        items = [(each, True) for each in _as_list("right", right)]
        items += [(each, False) for each in _as_list("wrong", wrong)]
        if not items:
            raise ValueError("nothing to judge: give right, wrong, or both")
        doc_ids = [doc_id for each, _ in items for doc_id in _document_of(each)]
        table = self._search.table_with(description, doc_ids)
        log_odds = self._search.unjudged_log_odds(description, table)
        verdicts: dict[int, bool] = {}
        informative: set[int] = set()
        for item, verdict in items:
            mentions = _mentions(item, table, log_odds, verdict)
            informative.add(mentions[0])
            for mention in mentions:
                if verdicts.setdefault(mention, verdict) != verdict:
                    raise ValueError(f"{table.text(mention)!r} is judged both right and wrong")
        rows = [
            StoredJudgement(
                kind,
                table.doc_ids[table.owner[mention]],
                table.span(mention),
                verdict,
                mention in informative,
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
        """The descriptions with judgments, and the number of judged results for each."""
        found: defaultdict[str, list[bool]] = defaultdict(list)
        for each in self._store.judgements():
            if each.informative:
                found[each.type].append(each.right)
        return {
            kind: JudgeReport(sum(verdicts), len(verdicts) - sum(verdicts))
            for kind, verdicts in sorted(found.items())
        }

    def forget_judgements(self, description: str) -> int:
        """Delete the judgments for a description.

        Args:
            description: As in ``judge``.

        Returns:
            The number of results that had been judged.

        Raises:
            TypeError: As ``judge``.
            ValueError: If ``description`` is empty.
            RuntimeError: As ``judge``.
        """
        kind = judgement_key(description)
        with self._place.writing():
            self._store.recover()
            dropped = [each for each in self._store.judgements() if each.type == kind]
            if dropped:
                self._store.judge([], dropped)
        return sum(each.informative for each in dropped)


def _as_list(name: str, given: Sequence[Judgeable]) -> list[Judgeable]:
    if isinstance(given, str | Document | DocumentMatch | MentionMatch):
        raise TypeError(f"{name} must be a list of documents or mentions, not {type_name(given)}")
    return list(given)


def _document_of(item: object) -> list[str]:
    """The document id of a judged item, in a list; an empty list if it cannot be judged."""
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
        raise TypeError(f"a document, its id, or a mention can be judged, not {type_name(item)}")
    if (row := table.row_of.get(doc_id)) is None:
        raise ValueError(f"document {doc_id!r} is not in the index")
    if span is None:
        if not (found := judged_mentions(table, log_odds, row, right)):
            raise ValueError(f"document {doc_id!r} has no mention that could be judged")
        return found
    places = table.mentions_of(row)
    same = [n for n in range(places.start, places.stop) if table.span(n) == span]
    if not same:
        raise ValueError(f"document {doc_id!r} has no mention at {span}")
    return same
