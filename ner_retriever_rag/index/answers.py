"""What an index can be asked: documents, mentions, entities, kinds, rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ner_retriever_rag._keywords import answers_wrong_keywords, keywords_of, wrong_keywords
from ner_retriever_rag.index.decisions import Decisions
from ner_retriever_rag.index.entities import Entity, group_entities
from ner_retriever_rag.index.estimation import Estimate, estimate
from ner_retriever_rag.queries.bounds import (
    DEFAULT_THRESHOLD,
    Bounds,
    share,
    whole_number,
)
from ner_retriever_rag.queries.query import Like, Query
from ner_retriever_rag.queries.taxonomy import Taxonomy
from ner_retriever_rag.schema import DocumentMatch, MentionMatch, kind_of
from ner_retriever_rag.search.extraction import check_types
from ner_retriever_rag.search.facets import Facet
from ner_retriever_rag.search.search import Search

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.storage.protocol import DocumentStore

# Scores from which a mention counts as of a kind.
_LEAST = 0.1


class Answers:
    """The asking half of ``EntityIndex``; its other half writes.

    Attributes:
        encoder: What turns texts and type descriptions into vectors.
    """

    encoder: TypeAwareEncoder
    _search: Search
    _store: DocumentStore

    @answers_wrong_keywords
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
        rerank: int = 0,
        named: bool | None = None,
    ) -> list[DocumentMatch]:
        """Find the documents that mention entities of a type.

        Args:
            query: The type description, free text; or several of them in ``AnyOf``, ``AllOf`` and
                ``Not``, or examples in ``Like``.
            k: How many documents at most; None for all above the threshold.
            where: Chroma filter on the documents' metadata.
            score_threshold: Least score of a document, which is its best mention's probability
                where the query is one type; None for no bound, or for the greatest expected F1
                where ``k`` is None.
            about: What the documents should be about (None or "" for anything), free text that goes
                on after the type, as in
                "dinosaur" and "found in Argentina". A document's score is then ``type_score **
                (1 - topic_weight) * cosine ** topic_weight``, with the cosine of both in one phrase
                and the document (0 where it is negative).
            topic_weight: How much the topic counts, in [0, 1]; None for 0.7.
            sharpen: Let mentions found say something of one another: smoothing over neighbours, see
                :mod:`~ner_retriever_rag.ranking.stages`. An encoder without a calibration, or with
                a score of its own (``from_gliner``), does without either way.
            offset: How many of the best documents to skip, for the next page of a result.
            max_matches: List at most so many matches of a document, the best; None for all.
            exact: Look at every text for a topic, and in a large index at every mention, beyond
                those nearest.
            rerank: How many of a type's best mentions the pair model judges again, in their
                passages. 150 are worth the wait on text unlike Wikipedia; 30 are too few to help.
            named: Whether names are wanted ("person": Ada Lovelace), True, or common nouns as much
                ("the director"), False; None to tell by what is found first.

        Returns:
            Best document first. A document's matches are its mentions above the threshold
            (0.2 where there is none), and those its score comes from in any case; of mentions that
            overlap, the best.

        Raises:
            TypeError: If ``query`` is not a query, or ``about`` not a string.
            ValueError: If ``query`` or ``about`` is empty, ``k`` or ``max_matches`` is not
                positive, ``offset`` is negative, ``score_threshold`` or ``topic_weight`` is not in
                [0, 1], Chroma refuses ``where``, or the encoder has no text vectors for ``about``.
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
        """Search for several things at once, each by itself.

        Args:
            queries: As ``query`` in ``search``.
            k: How many documents at most for each.
            options: The other keywords of ``search``; ``about`` goes with every query.

        Returns:
            The result of each query, in order.

        Raises:
            TypeError: If ``queries`` is a string, or as ``search``.
            ValueError: As ``search``.
        """
        if isinstance(queries, str):
            raise TypeError("queries must be a list of queries, not one string")
        accepted = [each for each in keywords_of(Answers.search) if each != "query"]
        if told := wrong_keywords("search_many", options, accepted):
            raise TypeError(told)
        about, weight = options.pop("about", None), options.pop("topic_weight", None)
        return self._search.documents(queries, Bounds.check(k=k, **options), about, weight)

    @answers_wrong_keywords
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
        rerank: int = 0,
        named: bool | None = None,
    ) -> list[MentionMatch]:
        """Find the mentions of entities of a type.

        Args:
            query: As in ``search``; a combination is applied to each mention by itself.
            k: How many mentions at most; None for all above the threshold.
            where: As in ``search``.
            score_threshold: As in ``search``.
            sharpen: As in ``search``.
            offset: How many of the best mentions to skip.
            exact: As in ``search``.
            rerank: As in ``search``.
            named: As in ``search``.

        Returns:
            Best mention first; of mentions that overlap, the best.

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

    @answers_wrong_keywords
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
        rerank: int = 0,
        named: bool | None = None,
    ) -> list[Entity]:
        """List the distinct entities of a type.

        Mentions that differ in case, article, accents, possessive and punctuation are one entity,
        and so are a company with and without its legal form, and, within a document, a short form
        and the fuller name it fits; but two that are called the same in contexts that say different
        things of them are two (:mod:`~ner_retriever_rag.index.joining`). ``Entity.joined`` says
        what was joined, and why; ``merge`` and ``split`` decide otherwise. An entity's score
        is made of all its mentions (:mod:`~ner_retriever_rag.index.entities` has the rule).

        Args:
            query: As in ``search``; a combination is applied to each mention by itself.
            k: How many entities at most; None for all above the threshold.
            where: As in ``search``.
            score_threshold: Least score of an entity; None for no bound, or 0.2 where ``k`` is
                None.
            about: Look only in the 100 documents that a search with this topic finds first.
            sharpen: As in ``search``.
            join: False makes every spelling an entity of its own, whatever was decided.
            rerank: As in ``search``.
            named: As in ``search``.

        Returns:
            Best entity first.

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

    @answers_wrong_keywords
    def estimate(
        self,
        query: Query,
        *,
        where: Mapping[str, Any] | None = None,
        least_score: float = 0.05,
        sharpen: bool = True,
    ) -> Estimate:
        """Estimate how many documents and how many distinct entities are of a type.

        Each number is the sum of the probabilities behind it, with a 90% interval
        (:mod:`~ner_retriever_rag.index.estimation` says how wide, and how that was found).

        Args:
            query: As in ``search``; of entities, a combination is applied to each mention.
            where: As in ``search``.
            least_score: Documents from this score on are listed, entities from it on listed and
                counted; documents of lower scores count, too.
            sharpen: As in ``search``.

        Returns:
            Both numbers, and the documents and entities that they are the sums of.

        Raises:
            TypeError: As ``search``.
            ValueError: As ``search``, or ``least_score`` is not in [0, 1].

        Example:
            .. code-block:: python

                print(index.estimate("company"))  # documents: 61 (44 to 90); entities: ...
        """
        bounds = Bounds.check(where=where, score_threshold=least_score, sharpen=sharpen)
        return estimate(self._search, query, bounds, Decisions.read(self._store.texts))

    @answers_wrong_keywords
    def facets(
        self,
        n: int = 30,
        *,
        where: Mapping[str, Any] | None = None,
        examples: int = 5,
        least_score: float | None = None,
        taxonomy: Taxonomy | None = None,
    ) -> list[Facet]:
        """Say which kinds of entity the documents mention.

        Every mention counts for one kind, the one of the shipped vocabulary that fits it best; or
        for the label of a taxonomy that does, and for those above it.

        Args:
            n: How many kinds at most.
            where: As in ``search``.
            examples: How many names of each kind.
            least_score: Mentions that a search for their kind gives a lower score are not counted;
                None for 0.1, or for 0.2 with a taxonomy, which need not have a label for all.
            taxonomy: Count under its labels, instead of the shipped vocabulary's.

        Returns:
            The kinds, that with most mentions first.

        Raises:
            TypeError: If ``taxonomy`` is something else.
            ValueError: If ``n`` is not positive, ``examples`` is negative, ``least_score`` is not
                between 0 and 1, or Chroma refuses ``where``.
        """
        n, examples = whole_number("n", n, 1), whole_number("examples", examples, 0)
        if not isinstance(taxonomy, Taxonomy | None):
            raise TypeError(f"taxonomy must be a Taxonomy, not a {kind_of(taxonomy)}")
        if least_score is None:
            least_score = _LEAST if taxonomy is None else DEFAULT_THRESHOLD
        if not 0 < share("least_score", least_score) < 1:
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

    @answers_wrong_keywords
    def extract(
        self,
        types: Taxonomy | Iterable[str | Like],
        *,
        score_threshold: float = DEFAULT_THRESHOLD,
        where: Mapping[str, Any] | None = None,
        all_types: bool = False,
        overlapping: bool = False,
        sharpen: bool = True,
        rerank: int = 0,
        named: bool | None = None,
    ) -> Iterator[MentionMatch]:
        """Take out every mention of some types, document by document, in order of place.

        Args:
            types: Type descriptions, or examples in ``Like``; or a taxonomy, for its labels.
            score_threshold: Least score of a mention.
            where: As in ``search``.
            all_types: Give a mention under every type that passes, not only the one it fits best.
            overlapping: Of mentions of a type that overlap, give all and not only the best.
            sharpen: As in ``search``.
            rerank: As in ``search``.
            named: As in ``search``.

        Returns:
            An iterator of matches, each with its ``type``; documents in order of their ids.

        Raises:
            TypeError: If ``types`` is a string, or holds something else.
            ValueError: If ``types`` is empty, ``score_threshold`` is not in [0, 1], or Chroma
                refuses ``where``.
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
