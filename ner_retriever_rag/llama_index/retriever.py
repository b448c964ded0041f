"""Retrieval by entity type as a LlamaIndex ``BaseRetriever``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.constants import DEFAULT_SIMILARITY_TOP_K
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle
from llama_index.core.vector_stores import MetadataFilters

from ner_retriever_rag._keywords import keyword_error, keywords_of
from ner_retriever_rag.index.entity_index import EntityIndex
from ner_retriever_rag.index.interop import is_blank
from ner_retriever_rag.llama_index.events import NoTypeEvent
from ner_retriever_rag.llama_index.filters import to_where
from ner_retriever_rag.llama_index.nodes import matched_node, to_document, to_node
from ner_retriever_rag.llama_index.queries import TypeQuery, query_of
from ner_retriever_rag.queries.query import Query, is_combined
from ner_retriever_rag.questions.questions import NO_TYPE
from ner_retriever_rag.schema import require_text, type_name

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder

_log = logging.getLogger(__name__)
_dispatcher = get_dispatcher(__name__)


class NERTypeRetriever(BaseRetriever):
    """Retrieves the nodes that mention entities of a type; the query is the type description.

    Results are ``MatchedNode``, a ``NodeWithScore`` with ``matches``; the node in it is
    the one that was added, with the same id and hash. A ``QueryBundle`` with
    ``custom_embedding_strs`` searches for any of those types; a ``TypeQuery`` carries its own
    type, topic and number of results, and ``AnswerType`` creates one from a question.

    Args:
        index: The index to search.
        similarity_top_k: Maximum number of nodes; None for all above the threshold.
        filters: Metadata filters.
        score_threshold: Minimum score of a node, in [0, 1]; None for no threshold or, if
            ``similarity_top_k`` is None, for the one with the greatest expected F1.
        about: What the nodes should be about, in addition to the type.
        topic_weight: How much the topic counts, in [0, 1]; None for the index's default.
        max_matches: Maximum number of mentions listed per node, the best; None for all.
        sharpen: Smooth scores over neighboring mentions.
        exact: Compare with every text for a topic, and with every mention of a large index.
        fallback: Another retriever, for questions (from ``AnswerType``) that ask for no type of
            entity; with None the result is empty. Either way the trace gets a ``NoTypeEvent``.
        rerank: How many of the best mentions the pair model reranks; None for 30, or 150 if more
            nodes may be returned, 0 for none.
        named: Whether names are wanted rather than common nouns; None to decide from the best
            candidates.
        **kwargs: As for ``BaseRetriever``: ``callback_manager``, ``objects``, ``verbose``, ...

    Raises:
        TypeError: If ``index``, ``filters`` or ``fallback`` has the wrong type, or a keyword is
            unknown.
        ValueError: If ``similarity_top_k`` is not positive, or a filter cannot be translated.

    Example:
        .. code-block:: python

            retriever = NERTypeRetriever.from_defaults(nodes=nodes, path="folder")
            retriever.retrieve("dinosaur")[0].matches
    """

    def __init__(
        self,
        index: EntityIndex,
        *,
        similarity_top_k: int | None = DEFAULT_SIMILARITY_TOP_K,
        filters: MetadataFilters | None = None,
        score_threshold: float | None = None,
        about: str | None = None,
        topic_weight: float | None = None,
        max_matches: int | None = None,
        sharpen: bool = True,
        exact: bool = False,
        fallback: BaseRetriever | None = None,
        rerank: int | None = None,
        named: bool | None = None,
        **kwargs: Any,
    ) -> None:
        accepted = [*keywords_of(NERTypeRetriever.__init__), *keywords_of(BaseRetriever.__init__)]
        if message := keyword_error(type(self).__name__, kwargs, accepted):
            raise TypeError(message)
        if not isinstance(index, EntityIndex):
            raise TypeError(f"index must be an EntityIndex, not a {type_name(index)}")
        if fallback is not None and not isinstance(fallback, BaseRetriever):
            raise TypeError(f"fallback must be a LlamaIndex retriever, not a {type_name(fallback)}")
        self.index, self.fallback = index, fallback
        self.similarity_top_k = similarity_top_k
        self.score_threshold = score_threshold
        self.about, self.topic_weight = about, topic_weight
        self.max_matches, self.sharpen, self.exact = max_matches, sharpen, exact
        self.rerank, self.named = rerank, named
        self._where = to_where(filters)
        super().__init__(**kwargs)

    @property
    def similarity_top_k(self) -> int | None:
        """Maximum number of nodes; None for all above the threshold."""
        return self._similarity_top_k

    @similarity_top_k.setter
    def similarity_top_k(self, value: int | None) -> None:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and (not whole or value <= 0):
            raise ValueError(f"similarity_top_k must be a positive number or None, not {value!r}")
        self._similarity_top_k = value

    @classmethod
    def from_defaults(
        cls,
        nodes: Sequence[BaseNode] | None = None,
        *,
        index: EntityIndex | None = None,
        path: str | Path | None = None,
        encoder: TypeAwareEncoder | None = None,
        show_progress: bool = False,
        **kwargs: Any,
    ) -> Self:
        """Create a retriever over an index, and add nodes to it if some are given.

        Args:
            nodes: Nodes to index; those that already exist unchanged are skipped.
            index: The index; None to open or create one at ``path``.
            path: Folder of the index; None keeps it in memory.
            encoder: For a new index; None for the shipped one.
            show_progress: Show a progress bar.
            **kwargs: As for the class.

        Raises:
            ValueError: If none of ``nodes``, ``index`` and ``path`` is given, or ``index``
                together with ``path`` or ``encoder``; and as for the class.
        """
        if index is None and nodes is None and path is None:
            raise ValueError("give nodes, index or path")
        if index is not None and (path is not None or encoder is not None):
            raise ValueError("give index, or path and encoder, not both")
        retriever = cls(index or EntityIndex(path, encoder=encoder), **kwargs)
        retriever.add_nodes(nodes or [], show_progress=show_progress)
        return retriever

    def add_nodes(self, nodes: Sequence[BaseNode], *, show_progress: bool = False) -> list[str]:
        """Index nodes; a node with an existing id is replaced, or skipped if unchanged.

        Blank nodes are skipped and logged.

        Returns:
            The ids of the other nodes, in order.

        Raises:
            TypeError: If ``nodes`` is not a list of nodes.
        """
        if isinstance(nodes, str | BaseNode) or not isinstance(nodes, Iterable):
            raise TypeError(f"nodes must be a list of nodes, not one {type_name(nodes)}")
        documents = []
        for node in nodes:
            if is_blank(node):
                _log.warning("node %r has no text and is skipped", node.node_id)
            else:
                documents.append(to_document(node))
        self.index.add(documents, progress=show_progress)
        return [document.id for document in documents]

    def delete_nodes(self, node_ids: Sequence[str]) -> int:
        """Delete nodes by id and return the number deleted."""
        return self.index.delete(node_ids)

    def delete_ref_doc(self, ref_doc_id: str) -> int:
        """Delete the nodes made from a source document and return the number deleted."""
        return self.index.delete(where={"ref_doc_id": require_text(ref_doc_id, "ref_doc_id")})

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        query = query_of(query_bundle)
        if query is not None:
            return self._search(query, query_bundle)
        self._report_no_type(query_bundle.query_str)
        return self.fallback.retrieve(query_bundle.query_str) if self.fallback else []

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        query = query_of(query_bundle)
        if query is not None:
            return await asyncio.to_thread(self._search, query, query_bundle)
        self._report_no_type(query_bundle.query_str)
        return await self.fallback.aretrieve(query_bundle.query_str) if self.fallback else []

    def _report_no_type(self, question: str) -> None:
        _log.log(logging.INFO if self.fallback else logging.WARNING, NO_TYPE, question)
        _dispatcher.event(NoTypeEvent(question=question, fallback=self.fallback is not None))

    def _search(self, query: Query, asked: QueryBundle) -> list[NodeWithScore]:
        k, about, offset = self.similarity_top_k, self.about, 0
        if isinstance(asked, TypeQuery):
            k, about = asked.similarity_top_k or k, asked.about or about
            offset = asked.offset
        matches = self.index.search(
            query,
            k,
            where=self._where,
            score_threshold=self.score_threshold,
            about=about,
            topic_weight=self.topic_weight if about else None,
            offset=offset,
            max_matches=self.max_matches,
            sharpen=self.sharpen,
            exact=self.exact,
            rerank=self.rerank,
            named=self.named,
        )
        with_type = is_combined(query)
        return [matched_node(to_node(each.document), each, with_type=with_type) for each in matches]
