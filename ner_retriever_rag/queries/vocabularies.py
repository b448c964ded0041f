"""Readers for taxonomy files: SKOS and OWL in any RDF format, and tables."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ner_retriever_rag._imports import require

_TABLES = {".csv": ",", ".tsv": "\t"}
_NOTATIONS = {
    ".ttl": "turtle",
    ".rdf": "xml",
    ".owl": "xml",
    ".xml": "xml",
    ".nt": "nt",
    ".n3": "n3",
    ".jsonld": "json-ld",
    ".trig": "trig",
}
_WORDS = re.compile(r"[A-Za-z]{2,}(?:[_-]?[A-Za-z]+)*")  # a local name made of words


def read_broader(path: Path, language: str) -> dict[str, list[str]]:
    """Read labels, and the labels directly above each, from a file; see ``Taxonomy.read``.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If ``rdflib`` is needed and not installed.
        ValueError: If it cannot be parsed in the format of its extension, or has no labels.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    kind = path.suffix.lower()
    if kind in _TABLES:
        found = _read_table(path, _TABLES[kind])
    elif kind in _NOTATIONS:
        found = _Graph(path, _NOTATIONS[kind], language).broader()
    else:
        known = ", ".join([*_TABLES, *_NOTATIONS])
        raise ValueError(f"{path} does not have a vocabulary's extension: it must end in {known}")
    if not found:
        raise ValueError(f"{path} has no labels in {language!r} or without a language")
    return found


def _read_table(path: Path, delimiter: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, delimiter=delimiter)
        if missing := {"label", "broader"} - set(rows.fieldnames or ()):
            raise ValueError(f"{path} has no column {' and no column '.join(sorted(missing))}")
        for row in rows:
            label = (row["label"] or "").strip()
            if not label:
                raise ValueError(f"{path}, line {rows.line_num}: the label is empty")
            terms = (row["broader"] or "").split("|")
            found.setdefault(label, []).extend(each.strip() for each in terms if each.strip())
    return found


class _Graph:
    """The concepts and classes of an RDF file.

    Args:
        path: The file.
        notation: Its format, as rdflib names it.
        language: Language of the labels.

    Raises:
        ValueError: If it cannot be parsed.
    """

    def __init__(self, path: Path, notation: str, language: str) -> None:
        rdflib = require("rdflib", extra="ontology")
        self._names = rdflib.namespace
        self._iri, self._language = rdflib.URIRef, language.lower()
        self._graph = rdflib.Graph() if notation != "trig" else rdflib.Dataset(default_union=True)
        try:
            self._graph.parse(path, format=notation)
        except Exception as error:  # every parser of rdflib has its own exceptions
            said = " ".join(str(error).split())
            raise ValueError(f"{path} cannot be read as {notation}: {said}") from error

    def broader(self) -> dict[str, list[str]]:
        """Labels and the labels directly above each; concepts with the same label are merged."""
        labels = {each: label for each in self._concepts() if (label := self._label(each))}
        found: dict[str, list[str]] = {label: [] for label in labels.values()}
        for concept, label in labels.items():
            found[label] += [labels[each] for each in self._labelled_above(concept, labels)]
        return found

    def _concepts(self) -> Iterator[Any]:
        """Every concept and class that has an IRI and is not deprecated, sorted by IRI."""
        skos, owl, rdfs, rdf = (getattr(self._names, each) for each in _NAMESPACES)
        kinds = (skos.Concept, owl.Class, rdfs.Class)
        found = {each for kind in kinds for each in self._graph.subjects(rdf.type, kind)}
        ends = [self._graph.subject_objects(each) for each in (skos.broader, skos.narrower)]
        found |= {each for pairs in ends for pair in pairs for each in pair}
        for each in sorted(each for each in found if isinstance(each, self._iri)):
            deprecated = self._graph.value(each, owl.deprecated)
            if each not in (owl.Thing, owl.Nothing) and str(deprecated) not in ("true", "1"):
                yield each

    def _label(self, concept: Any) -> str | None:
        skos, rdfs = self._names.SKOS, self._names.RDFS
        named = False
        for predicate in (skos.prefLabel, rdfs.label):
            by_language: dict[str, list[str]] = {}
            for each in self._graph.objects(concept, predicate):
                by_language.setdefault((each.language or "").lower(), []).append(str(each))
            for language in self._preferred(by_language):
                return min(by_language[language])
            named = named or bool(by_language)
        name = re.split(r"[#/]", str(concept))[-1]
        return None if named or not _WORDS.fullmatch(name) else name

    def _preferred(self, languages: Mapping[str, object]) -> list[str]:
        """The acceptable languages, best first: the requested one, its variants, untagged."""
        wanted = self._language
        variants = sorted(each for each in languages if each.startswith(f"{wanted}-"))
        return [each for each in (wanted, *variants, "") if each in languages]

    def _labelled_above(self, concept: Any, labels: dict[Any, str]) -> list[Any]:
        """The nearest labeled concepts above a concept, skipping unlabeled ones."""
        found: dict[Any, None] = {}
        seen, ring = {concept}, self._above(concept)
        while ring:
            further: list[Any] = []
            for each in ring:
                if each in labels:
                    found[each] = None
                elif each not in seen:
                    further += self._above(each)
                seen.add(each)
            ring = further
        return list(found)

    def _above(self, concept: Any) -> list[Any]:
        skos, rdfs = self._names.SKOS, self._names.RDFS
        found = {
            *self._graph.objects(concept, skos.broader),
            *self._graph.subjects(skos.narrower, concept),
            *self._graph.objects(concept, rdfs.subClassOf),
        }
        return sorted(each for each in found if isinstance(each, self._iri) and each != concept)


_NAMESPACES = ("SKOS", "OWL", "RDFS", "RDF")
