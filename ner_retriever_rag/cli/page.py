"""The page of ``ner-retriever ui``: query on top, entity types on the left, results below."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ner_retriever_rag._markup import cards
from ner_retriever_rag.cli.entities import COLUMNS
from ner_retriever_rag.cli.query_options import build_query
from ner_retriever_rag.cli.rows import write_rows
from ner_retriever_rag.queries.bounds import DEFAULT_THRESHOLD

if TYPE_CHECKING:
    from ner_retriever_rag.index.entities import Entity
    from ner_retriever_rag.index.entity_index import EntityIndex
    from ner_retriever_rag.queries.query import Query
    from ner_retriever_rag.schema import DocumentMatch

_DOCUMENTS, _ENTITIES, _FACETS = 20, 200, 30  # shown at most
_MAX_COUNT = 1_000  # matching documents are counted up to this number
_HIGHLIGHT_THRESHOLD = 0.5  # spans scored at least this are highlighted, whatever the slider says
_SUGGESTED = 3


class SearchPage:
    """One visitor's page.

    Args:
        nicegui: The NiceGUI package, which is installed with an extra.
        index: The index to search; searches run in threads of their own.
        name: Display name of the index.
    """

    def __init__(self, nicegui: Any, index: EntityIndex, name: str) -> None:
        self._ui, self._in_thread, self._index = nicegui.ui, nicegui.run.io_bound, index
        self._ui.add_css(".to-judge .ner-types { display: none }")  # it is always the query's type
        self._searches = 0
        self._entities: list[Entity] = []
        with self._ui.row().classes("w-full no-wrap items-start"):
            with self._ui.column().classes("w-56 shrink-0 gap-0"):
                self._ui.label(name).classes("text-lg break-all name")
                held = f"{index.count():,} documents, {index.mention_count():,} mentions of"
                self._ui.label(held).classes("opacity-70 held")
                self._facets = self._ui.column().classes("gap-0 kinds")
                with self._facets:
                    self._spinner = self._ui.spinner(size="lg").classes("q-ma-md")
            with self._ui.column().classes("grow"):
                self._build_query_form()
                self._build_results()
        self._ui.timer(0.1, self._show_facets, once=True)

    def _build_query_form(self) -> None:
        ui = self._ui
        with ui.row().classes("w-full items-center"):
            self._type = ui.input("Type", placeholder="river").classes("grow type")
            self._about = ui.input("About", placeholder="in Asia").classes("grow about")
            ui.button("Search", on_click=self._search).props("no-caps").classes("search")
        with ui.row().classes("w-full items-center"):
            self._any_of = ui.input_chips("or any of").classes("grow")
            self._none_of = ui.input_chips("and not").classes("grow")
        with ui.row().classes("w-full items-center no-wrap"):
            label = ui.label().classes("shrink-0")
            slider = ui.slider(min=0, max=1, step=0.05, value=DEFAULT_THRESHOLD)
            self._threshold = slider.classes("grow")
            label.bind_text_from(self._threshold, "value", "least score {:.2f}".format)
        for field in (self._type, self._about):
            field.on("keydown.enter", self._search)
        # On release, not while dragging: a search per pixel would be too many.
        self._threshold.on("change", self._search)

    def _build_results(self) -> None:
        ui = self._ui
        with ui.tabs().props("no-caps") as tabs:
            documents, entities = ui.tab("Documents"), ui.tab("Entities")
        with ui.tab_panels(tabs, value=documents).classes("w-full").props("keep-alive"):
            with ui.tab_panel(documents):
                self._count = ui.label().classes("opacity-70 count")
                self._suggestions = ui.row().classes("items-center to-try")
                self._found = ui.column().classes("w-full gap-0 found")
            with ui.tab_panel(entities):
                download = ui.button("Download as table", on_click=self._download)
                download.props("no-caps flat").classes("download")
                names = ("score", "name", "mentions", "documents")
                columns = [
                    {"name": name, "label": name, "field": name, "sortable": True, "align": "left"}
                    for name in names
                ]
                self._table = ui.table(rows=[], columns=columns, row_key="name", pagination=20)
                self._table.classes("w-full")

    async def _show_facets(self) -> None:
        facets = await self._in_thread(self._index.facets, _FACETS)
        self._spinner.delete()
        if not self._searches:
            with self._suggestions:
                self._ui.label("Try" if facets else "The index is empty.").classes("opacity-70")
                for facet in facets[:_SUGGESTED]:
                    chip = self._ui.chip(facet.type, on_click=partial(self._ask, facet.type))
                    chip.props("outline clickable")
        with self._facets:
            for facet in facets:
                button = self._ui.button(
                    f"{facet.type} ({facet.mentions:,})", on_click=partial(self._ask, facet.type)
                )
                button.props("flat dense no-caps align=left").tooltip(" · ".join(facet.examples))

    async def _ask(self, kind: str) -> None:
        self._type.value = kind
        await self._search()

    async def _search(self) -> None:
        self._searches += 1
        number = self._searches
        try:
            query = build_query(
                self._type.value or None, self._any_of.value, [], self._none_of.value, [], []
            )
            found, entities = await self._in_thread(
                self._run_query, query, self._threshold.value, self._about.value or None
            )
        except (ValueError, TypeError, OSError, RuntimeError) as error:
            self._ui.notify(str(error), type="warning")
            return
        if number == self._searches:  # no newer search has started meanwhile
            self._show(query, found, entities)

    def _run_query(
        self, query: Query, threshold: float, about: str | None
    ) -> tuple[list[DocumentMatch], list[Entity]]:
        documents = self._index.search(query, _MAX_COUNT, score_threshold=threshold, about=about)
        entities = self._index.entities(query, _ENTITIES, score_threshold=threshold, about=about)
        return documents, entities

    def _show(self, query: Query, found: list[DocumentMatch], entities: list[Entity]) -> None:
        self._entities = entities
        self._suggestions.clear()
        self._count.text = match_count_text(len(found))
        self._found.clear()
        shown = [confident_matches(match) for match in found[:_DOCUMENTS]]
        with self._found:
            if isinstance(query, str) and self._index.encoder.calibration is not None:
                for match in shown:
                    self._show_to_judge(query, match)
            else:
                self._ui.html(cards(shown), sanitize=False).classes("w-full")  # cards() escapes
        self._table.rows = [
            {
                "score": f"{each.score:.2f}",
                "name": each.name,
                "mentions": each.mentions,
                "documents": len(each.documents),
            }
            for each in entities
        ]

    def _show_to_judge(self, kind: str, match: DocumentMatch) -> None:
        """Show a document with buttons to judge it right or wrong for a type."""
        with self._ui.row().classes("w-full no-wrap items-start to-judge"):
            self._ui.html(cards([match]), sanitize=False).classes("grow")
            with self._ui.column().classes("shrink-0 gap-0"):
                for verdict in ("right", "wrong"):
                    on_click = partial(self._judge, kind, match.doc_id, verdict)
                    button = self._ui.button(verdict, on_click=on_click)
                    button.props("flat dense no-caps").classes(verdict)

    async def _judge(self, kind: str, doc_id: str, verdict: str) -> None:
        judge = partial(self._index.judge, kind, **{verdict: [doc_id]})
        try:
            report = await self._in_thread(judge)
        except (ValueError, TypeError, OSError, RuntimeError) as error:
            self._ui.notify(str(error), type="warning")
            return
        self._ui.notify(f"{kind}: {report.right} right, {report.wrong} wrong; search again")

    def _download(self) -> None:
        rows = [{name: getattr(each, name) for name in COLUMNS} for each in self._entities]
        with TemporaryDirectory() as folder:
            path = Path(folder) / "entities.csv"
            write_rows(rows, path, COLUMNS)
            self._ui.download.content(path.read_bytes(), path.name, "text/csv")


def match_count_text(matching: int) -> str:
    """Say how many documents match and how many of them are shown."""
    if not matching:
        return "No document matches."
    many = f"{matching:,}{' or more' if matching == _MAX_COUNT else ''}"
    match = "document matches" if matching == 1 else "documents match"
    best = f", the best {_DOCUMENTS} are below" if matching > _DOCUMENTS else ""
    return f"{many} {match}{best}."


def confident_matches(match: DocumentMatch) -> DocumentMatch:
    """A match with only its mentions more likely of the type than not, else the best one."""
    sure = [each for each in match.matches if each.score >= _HIGHLIGHT_THRESHOLD]
    return replace(match, matches=sure or match.matches[:1])
