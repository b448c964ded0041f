"""Tools of the MCP server: the searches of an index as functions with plain values."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from itertools import islice
from typing import Annotated, Any, ParamSpec, TypeVar

from pydantic import BaseModel, Field

from ner_retriever_rag._imports import require
from ner_retriever_rag._markup import truncate
from ner_retriever_rag.cli import mcp_replies as reply
from ner_retriever_rag.index.entity_index import EntityIndex
from ner_retriever_rag.queries.bounds import DEFAULT_THRESHOLD
from ner_retriever_rag.questions.language_models import (
    TOOL_THRESHOLD,
    filter_by_score,
    nothing_found,
)
from ner_retriever_rag.schema import DocumentMatch

INSTRUCTIONS = (
    "Finds what is in a collection of documents by kinds of entity, such as 'dinosaur' or "
    "'Swedish football club', whatever the entities are called. Start with facets to see which "
    "kinds there are; search for documents, entities for names, extract for every mention; get "
    "gives whole documents by id. Kinds are noun phrases in the singular. Scores are probabilities."
)
_PASSAGE = 400  # characters of a document shown in search results
_MAX_IDS = 20  # document ids listed per entity
_MAX_NAMES = 20  # spellings listed per entity, or names per document
_ROOM = 2_000  # maximum characters per result
_ROW_OVERHEAD = 80  # characters of JSON in a row, besides the text
_MAX_ERROR = 1_000  # characters of an error message

Kind = Annotated[str, Field(description="The kind of entity: 'river', 'Norwegian metal band'.")]
About = Annotated[
    str | None, Field(description="What the documents should say about it: 'found in Argentina'.")
]
Where = Annotated[
    dict[str, Any] | None,
    Field(description="Chroma filter on the documents' metadata: {'lang': 'en'}."),
]
MinScore = Annotated[float | None, Field(ge=0, le=1, description="Minimum score of a result.")]
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class MentionRow(BaseModel):
    """A mention; ``start`` and ``end`` count characters in the document."""

    type: str
    text: str
    doc_id: str
    start: int
    end: int
    score: float


class FoundDocument(BaseModel):
    """A document that mentions the kind, with the passage around its best mention."""

    doc_id: str
    score: float
    names: list[str]
    passage: str
    metadata: dict[str, Any]


class FoundDocuments(BaseModel):
    """The documents, best first; ``note`` explains an empty result."""

    result: list[FoundDocument]
    note: str = ""


class FoundEntity(BaseModel):
    """A distinct entity; ``documents`` names some of those that mention it."""

    name: str
    also_written: list[str]
    score: float
    mentions: int
    document_count: int
    documents: list[str]


class FoundEntities(BaseModel):
    """The entities, best first; ``note`` explains an empty result."""

    result: list[FoundEntity]
    note: str = ""


class KindFound(BaseModel):
    """A kind of entity in the documents, with counts and some names."""

    type: str
    mentions: int
    documents: int
    examples: list[str]


class Extracted(BaseModel):
    """Mentions in order of document and position; ``complete`` is false if there are more."""

    mentions: list[MentionRow]
    complete: bool


class WholeDocument(BaseModel):
    """A document, or a part of it; ``more`` counts the characters that come after."""

    doc_id: str
    text: str
    metadata: dict[str, Any]
    more: int


class Tools:
    """The searches of an index, for a language model.

    Args:
        index: The index to search.
    """

    def __init__(self, index: EntityIndex) -> None:
        self._index = index

    def search(
        self,
        type: Kind,
        about: About = None,
        k: Annotated[int, Field(ge=1, le=50, description="How many documents.")] = 8,
        where: Where = None,
        score_threshold: Annotated[
            float | None,
            Field(ge=0, le=1, description="Minimum probability that the best name is of the kind."),
        ] = TOOL_THRESHOLD,
        offset: Annotated[int, Field(ge=0, description="Results to skip, for the next page.")] = 0,
    ) -> FoundDocuments:
        """Find documents that mention entities of a kind, best first, with the names found."""
        matches = self._index.search(type, k, about=about, where=where, offset=offset)
        shown, best = filter_by_score(matches, _rows, score_threshold or 0.0)
        room = reply.share(k, _ROOM) // 4
        documents = [
            FoundDocument(
                doc_id=reply.short(match.doc_id, reply.ID),
                score=round(match.score, 3),
                names=reply.take_names(
                    dict.fromkeys(
                        " ".join(reply.short(each.text).split()) for each in match.matches
                    ),
                    room,
                    _MAX_NAMES,
                ),
                passage=reply.short(match.snippet(_PASSAGE), 2 * _PASSAGE),
                metadata=reply.metadata(match.metadata, room),
            )
            for match in shown
        ]
        note = nothing_found(best) if matches and not shown else ""
        return FoundDocuments(result=documents, note=note)

    def entities(
        self,
        type: Kind,
        about: About = None,
        k: Annotated[int, Field(ge=1, le=500, description="How many entities.")] = 50,
        where: Where = None,
        score_threshold: MinScore = DEFAULT_THRESHOLD,
    ) -> FoundEntities:
        """List the distinct entities of a kind, best first: which rivers are mentioned at all."""
        found = self._index.entities(type, k, about=about, where=where)
        shown = [each for each in found if each.score >= (score_threshold or 0.0)]
        room = reply.share(k, _ROOM) // 2
        entities = [
            FoundEntity(
                name=reply.short(entity.name),
                also_written=reply.take_names(
                    (name for name in entity.names if name != entity.name), room // 4, _MAX_NAMES
                ),
                score=round(entity.score, 3),
                mentions=entity.mentions,
                document_count=len(entity.documents),
                documents=reply.take_names(entity.documents, room, _MAX_IDS),
            )
            for entity in shown
        ]
        best = {"text": found[0].name, "score": found[0].score} if found else None
        note = nothing_found(best) if found and not shown else ""
        return FoundEntities(result=entities, note=note)

    def facets(
        self,
        n: Annotated[int, Field(ge=1, le=200, description="How many kinds.")] = 30,
        where: Where = None,
    ) -> list[KindFound]:
        """List the kinds of entity that the documents mention, the most frequent first."""
        return [
            KindFound(
                type=reply.short(facet.type),
                mentions=facet.mentions,
                documents=facet.documents,
                examples=[reply.short(each) for each in facet.examples],
            )
            for facet in self._index.facets(n, where=where)
        ]

    def extract(
        self,
        types: Annotated[list[str], Field(max_length=100, description="Kinds of entity.")],
        where: Where = None,
        score_threshold: Annotated[float, Field(ge=0, le=1)] = DEFAULT_THRESHOLD,
        limit: Annotated[int, Field(ge=1, le=1000, description="How many mentions.")] = 100,
        offset: Annotated[int, Field(ge=0, description="Results to skip, for the next page.")] = 0,
    ) -> Extracted:
        """Extract every mention of some kinds, document by document, with its position."""
        matches = self._index.extract(types, where=where, score_threshold=score_threshold)
        rows: list[MentionRow] = []
        room = reply.MAX_REPLY
        for match in islice(matches, offset, None):
            row = MentionRow(
                type=reply.short(match.type),
                text=reply.short(match.text),
                doc_id=reply.short(match.doc_id, reply.ID),
                start=match.start,
                end=match.end,
                score=round(match.score, 3),
            )
            room -= _ROW_OVERHEAD + len(row.type) + len(row.text) + len(row.doc_id)
            if len(rows) == limit or room < 0:
                return Extracted(mentions=rows, complete=False)
            rows.append(row)
        return Extracted(mentions=rows, complete=True)

    def get(
        self,
        ids: Annotated[list[str], Field(max_length=20, description="Ids returned by a search.")],
        start: Annotated[
            int, Field(ge=0, description="First character, for the next part of a long document.")
        ] = 0,
    ) -> list[WholeDocument]:
        """Return whole documents by id, long ones in parts; unknown ids are left out."""
        found = self._index.get(ids)
        room = reply.share(len(found), reply.MAX_REPLY)
        given = []
        for each in found:
            text, more = reply.part(each.text, start, room // 2)
            given.append(
                WholeDocument(
                    doc_id=reply.short(each.id, reply.ID),
                    text=text,
                    metadata=reply.metadata(each.metadata, room // 2),
                    more=more,
                )
            )
        return given


def _rows(match: DocumentMatch) -> list[dict[str, Any]]:
    return [each.as_row() for each in match.matches[:1]]


def make_server(index: EntityIndex, name: str) -> Any:
    """Create an MCP server for an index.

    Args:
        index: The index to serve.
        name: Name shown to clients.

    Returns:
        An ``mcp.server.mcpserver.MCPServer``.

    Raises:
        ImportError: If the SDK is not installed.
    """
    sdk = require("mcp.server.mcpserver", extra="mcp")
    server = sdk.MCPServer(name, instructions=INSTRUCTIONS)
    tools = Tools(index)
    for tool in (tools.search, tools.entities, tools.facets, tools.extract, tools.get):
        server.add_tool(_with_tool_errors(tool), structured_output=True)
    return server


def _with_tool_errors(
    tool: Callable[Parameters, Result],
) -> Callable[Parameters, Result]:
    """Wrap a tool so that the model is told what was wrong with its arguments."""
    tool_error = require("mcp.server.mcpserver.exceptions", extra="mcp").ToolError

    @wraps(tool)
    def wrapper(*arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
        try:
            return tool(*arguments, **named)
        except (TypeError, ValueError) as error:
            raise tool_error(truncate(str(error), _MAX_ERROR)) from error

    return wrapper
