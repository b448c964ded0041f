"""The queries an index answers: documents, mentions, entities, facets, extracted rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ner_retriever_rag._keywords import keyword_error, keywords_of, suggest_keywords
from ner_retriever_rag.index.decisions import Decisions
from ner_retriever_rag.index.entities import Entity, group_entities
from ner_retriever_rag.index.estimation import Estimate, estimate
from ner_retriever_rag.queries.bounds import (
    DEFAULT_THRESHOLD,
    Bounds,
    check_fraction,
    check_int,
)
from ner_retriever_rag.queries.query import Like, Query
from ner_retriever_rag.queries.taxonomy import Taxonomy
from ner_retriever_rag.schema import DocumentMatch, MentionMatch, type_name
from ner_retriever_rag.search.extraction import check_types
from ner_retriever_rag.search.facets import Facet
from ner_retriever_rag.search.search import Search

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.storage.protocol import DocumentStore

# Minimum score for a mention to count toward a kind.
_MIN_FACET_SCORE = 0.1


class SearchMethods:
    """The search methods of ``EntityIndex``.

    Attributes:
        encoder: Encodes texts and type descriptions.
    """

    encoder: TypeAwareEncoder
    _search: Search
    _store: DocumentStore

    @suggest_keywords
    def search(
        self,
        query: Query,
        k: int | None = 10,
        *,
        where: Mapping[str, Any] | None = None,
        score_threshold: float | None = None,
        about: str | None = None,
        topic_weight: float | None = None,
        sharpen: bool = True,
        offset: int = 0,
        max_matches: int | None = None,
        exact: bool = False,
        rerank: int | None = None,
        named: bool | None = None,
    ) -> list[DocumentMatch]:
        """Find the documents that mention entities of a type.

        Args:
            query: The type description, free text; or several of them in ``AnyOf``, ``AllOf`` and
                ``Not``, or examples in ``Like``.
            k: Maximum number of documents; None for all above the threshold.
            where: Chroma filter on the documents' metadata.
            score_threshold: Minimum score of a document, which is its best mention's probability
                if the query is a single type; None for no minimum, or, if ``k`` is None, for the
                threshold that maximizes the expected F1 (0.2 with ``about``, without a calibration,
                and where ``Not`` alone decides).
            about: Topic of the documents (None or "" for any), free text that continues the type,
                as "found in Argentina" continues "dinosaur". A document's score is then
                ``type_score ** (1 - topic_weight) * cosine ** topic_weight``, with the cosine of
                the document and the two in one phrase (0 if negative).
            topic_weight: Weight of the topic, in [0, 1]; None for 0.7.
            sharpen: Refine scores by kernel smoothing over neighboring mentions, see
                :mod:`~ner_retriever_rag.ranking.stages`. Has no effect with an encoder that has no
                calibration, or that computes its own score (``from_gliner``).
            offset: Number of top documents to skip, for pagination.
            max_matches: Maximum number of matches listed per document, best first; None for all.
            exact: Compare a topic with every text, and in a large index the type with every
                mention, not only the nearest ones.
            rerank: Number of top mentions per type that the pair model reranks, in their passages;
                None for 30, or 150 if more results may be returned, 0 for none.
            named: True to prefer names ("person": Ada Lovelace), False to rank common nouns
                ("the director") equally; None to decide from the top candidates.

        Returns:
            The documents, best first. A document's matches are its mentions above the threshold
            (0.2 if there is none), and always those its score comes from; of overlapping mentions,
            only the best.

        Raises:
            TypeError: If ``query`` is not a query, or ``about`` not a string.
            ValueError: If ``query`` or ``about`` is empty, ``k`` or ``max_matches`` is not
                positive, ``offset`` is negative, ``score_threshold`` or ``topic_weight`` is not in
                [0, 1], Chroma rejects ``where``, or the encoder has no text vectors for ``about``.
        """
        bounds = Bounds.check(
            k=k,
            where=where,
            score_threshold=score_threshold,
            sharpen=sharpen,
            offset=offset,
            max_matches=max_matches,
            exact=exact,
            rerank=rerank,
            named=named,
        )
        return self._search.documents([query], bounds, about, topic_weight)[0]

    def search_many(
        self, queries: Sequence[Query], k: int | None = 10, **options: Any
    ) -> list[list[DocumentMatch]]:
        """Run several independent searches at once.

        Args:
            queries: Each as ``query`` in ``search``.
            k: Maximum number of documents per query.
            options: The other keywords of ``search``; ``about`` applies to every query.

        Returns:
            The results of each query, in order.

        Raises:
            TypeError: If ``queries`` is a string, or as ``search``.
            ValueError: As ``search``.
        """
        if isinstance(queries, str):
            raise TypeError("queries must be a list of queries, not one string")
        accepted = [each for each in keywords_of(SearchMethods.search) if each != "query"]
        if message := keyword_error("search_many", options, accepted):
            raise TypeError(message)
        about, weight = options.pop("about", None), options.pop("topic_weight", None)
        return self._search.documents(queries, Bounds.check(k=k, **options), about, weight)

    @suggest_keywords
    def search_mentions(
        self,
        query: Query,
        k: int | None = 10,
        *,
        where: Mapping[str, Any] | None = None,
        score_threshold: float | None = None,
        sharpen: bool = True,
        offset: int = 0,
        exact: bool = False,
        rerank: int | None = None,
        named: bool | None = None,
    ) -> list[MentionMatch]:
        """Find the mentions of entities of a type.

        Args:
            query: As in ``search``; a combination is evaluated for each mention separately.
            k: Maximum number of mentions; None for all above the threshold.
            where: As in ``search``.
            score_threshold: As in ``search``.
            sharpen: As in ``search``.
            offset: Number of top mentions to skip.
            exact: As in ``search``.
            rerank: As in ``search``.
            named: As in ``search``.

        Returns:
            The mentions, best first; of overlapping mentions, only the best.

        Raises:
            TypeError: As ``search``.
            ValueError: As ``search``.
        """
        bounds = Bounds.check(
            k=k,
            where=where,
            score_threshold=score_threshold,
            sharpen=sharpen,
            offset=offset,
            exact=exact,
            rerank=rerank,
            named=named,
        )
        return self._search.mentions(query, bounds)

    @suggest_keywords
    def entities(
        self,
        query: Query,
        k: int | None = 50,
        *,
        where: Mapping[str, Any] | None = None,
        score_threshold: float | None = None,
        about: str | None = None,
        sharpen: bool = True,
        join: bool = True,
        rerank: int | None = None,
        named: bool | None = None,
    ) -> list[Entity]:
        """List the distinct entities of a type.

        Mentions that differ only in case, article, accents, possessive or punctuation are one
        entity, as are a company with and without its legal form and, within a document, a short
        form and the full name it fits. The same name in contexts that disagree is kept as two
        entities (:mod:`~ner_retriever_rag.index.joining`). ``Entity.joined`` says what was joined,
        and why; ``merge`` and ``split`` override these rules. An entity's score combines those of
        all its mentions (see :mod:`~ner_retriever_rag.index.entities`).

        Args:
            query: As in ``search``; a combination is evaluated for each mention separately.
            k: Maximum number of entities; None for all above the threshold.
            where: As in ``search``.
            score_threshold: Minimum score of an entity; None for no minimum, or 0.2 if ``k`` is
                None.
            about: Restrict to the top 100 documents of a search with this topic.
            sharpen: As in ``search``.
            join: False makes every spelling a separate entity, and ignores earlier decisions.
            rerank: As in ``search``.
            named: As in ``search``.

        Returns:
            The entities, best first.

        Raises:
            TypeError: As ``search``.
            ValueError: As ``search``.
        """
        bounds = Bounds.check(
            k=k,
            where=where,
            score_threshold=score_threshold,
            sharpen=sharpen,
            rerank=rerank,
            named=named,
        )
        decisions = Decisions.read(self._store.texts) if join else None
        return group_entities(self._search, query, bounds, about, decisions)

    @suggest_keywords
    def estimate(
        self,
        query: Query,
        *,
        where: Mapping[str, Any] | None = None,
        least_score: float = 0.05,
        sharpen: bool = True,
    ) -> Estimate:
        """Estimate the numbers of documents that mention a type, and of its distinct entities.

        Each estimate is a sum of probabilities, with a 90% interval
        (:mod:`~ner_retriever_rag.index.estimation` explains its width and how it was derived).

        Args:
            query: As in ``search``; for entities, a combination is evaluated for each mention.
            where: As in ``search``.
            least_score: Minimum score of a document to be listed, and of an entity to be listed
                and counted; documents with lower scores still count.
            sharpen: As in ``search``.

        Returns:
            Both counts, and the documents and entities behind them.

        Raises:
            TypeError: As ``search``.
            ValueError: As ``search``, or ``least_score`` is not in [0, 1].

        Example:
            .. code-block:: python

                print(index.estimate("company"))  # documents: 61 (44 to 90); entities: ...
        """
        bounds = Bounds.check(where=where, score_threshold=least_score, sharpen=sharpen)
        return estimate(self._search, query, bounds, Decisions.read(self._store.texts))

    @suggest_keywords
    def facets(
        self,
        n: int = 30,
        *,
        where: Mapping[str, Any] | None = None,
        examples: int = 5,
        least_score: float | None = None,
        taxonomy: Taxonomy | None = None,
    ) -> list[Facet]:
        """Count the kinds of entity that the documents mention.

        Every mention counts toward one kind, the best-fitting one of the shipped vocabulary; with a
        taxonomy, toward its best-fitting label and that label's ancestors.

        Args:
            n: Maximum number of kinds.
            where: As in ``search``.
            examples: Number of example names per kind.
            least_score: Mentions with a lower score in a search for their kind, with ``rerank=0``,
                are not counted; None for 0.1, or for 0.2 with a taxonomy, which need not cover
                every mention.
            taxonomy: Count under its labels instead of the shipped vocabulary's.

        Returns:
            The kinds, most mentions first.

        Raises:
            TypeError: If ``taxonomy`` is not a ``Taxonomy``.
            ValueError: If ``n`` is not positive, ``examples`` is negative, ``least_score`` is not
                between 0 and 1, or Chroma rejects ``where``.
        """
        n, examples = check_int("n", n, 1), check_int("examples", examples, 0)
        if not isinstance(taxonomy, Taxonomy | None):
            raise TypeError(f"taxonomy must be a Taxonomy, not a {type_name(taxonomy)}")
        if least_score is None:
            least_score = _MIN_FACET_SCORE if taxonomy is None else DEFAULT_THRESHOLD
        if not 0 < check_fraction("least_score", least_score) < 1:
            raise ValueError(f"least_score must be between 0 and 1, not {least_score!r}")
        kinds = self.encoder.kinds if taxonomy is None else taxonomy.kinds(self.encoder)
        return self._search.facets(
            where,
            kinds,
            n=n,
            examples=examples,
            least_score=least_score,
            taxonomy=taxonomy,
        )

    @suggest_keywords
    def extract(
        self,
        types: Taxonomy | Iterable[str | Like],
        *,
        score_threshold: float = DEFAULT_THRESHOLD,
        where: Mapping[str, Any] | None = None,
        all_types: bool = False,
        overlapping: bool = False,
        sharpen: bool = True,
        rerank: int | None = None,
        named: bool | None = None,
    ) -> Iterator[MentionMatch]:
        """Extract every mention of some types, document by document, in order of position.

        Args:
            types: Type descriptions, or examples in ``Like``; or a taxonomy, for its labels.
            score_threshold: Minimum score of a mention.
            where: As in ``search``.
            all_types: Yield a mention under every type that passes, not only its best-fitting one.
            overlapping: Yield all overlapping mentions of a type, not only the best.
            sharpen: As in ``search``.
            rerank: As in ``search``.
            named: As in ``search``.

        Returns:
            An iterator of matches, each with its ``type``; documents in order of their ids.

        Raises:
            TypeError: If ``types`` is a string, or holds anything but types.
            ValueError: If ``types`` is empty, ``score_threshold`` is not in [0, 1], or Chroma
                rejects ``where``.
        """
        wanted = check_types(types)
        bounds = Bounds.check(
            where=where,
            score_threshold=score_threshold,
            sharpen=sharpen,
            rerank=rerank,
            named=named,
        )
        return self._search.extract(wanted, bounds, all_types=all_types, overlapping=overlapping)
