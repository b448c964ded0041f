"""Taxonomies: the labels of a domain's own entity types, and their hierarchy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ner_retriever_rag.queries.query_vectors import description_vectors
from ner_retriever_rag.schema import require_text, type_name

if TYPE_CHECKING:
    from ner_retriever_rag.encoder.encoder import TypeAwareEncoder
    from ner_retriever_rag.encoder.kinds import Kinds


class Taxonomy:
    """Labels with their broader terms; each label is used as a type description.

    ``index.extract(taxonomy)`` extracts mentions under its labels, and ``index.facets(taxonomy=)``
    counts them, rolled up to broader labels. Iterating yields the labels. A label in a cycle of
    broader terms (equivalent OWL classes) is never above itself.

    Args:
        broader: Maps each label to the labels directly above it, none for a top label. Labels
            that occur only as broader terms are labels, too.

    Raises:
        TypeError: If it does not map strings to lists of strings.
        ValueError: If it is empty, or has an empty label.

    Example:
        .. code-block:: python

            taxonomy = Taxonomy({"dinosaur": ["reptile"], "lizard": ["reptile"]})
            taxonomy.path("dinosaur")  # ("reptile", "dinosaur")
    """

    def __init__(self, broader: Mapping[str, Sequence[str]]) -> None:
        if not isinstance(broader, Mapping):
            raise TypeError(
                f"broader must map labels to lists of broader labels, not be a {type_name(broader)}"
            )
        above: dict[str, dict[str, None]] = {}
        for label, terms in broader.items():
            if isinstance(terms, str):
                raise TypeError(f"the broader terms of {label!r} must be a list, not one string")
            own = above.setdefault(_label(label), {})
            own.update((term, None) for each in terms if (term := _label(each)) != _label(label))
        for term in [term for terms in above.values() for term in terms]:
            above.setdefault(term, {})
        if not above:
            raise ValueError("a taxonomy needs at least one label")
        self._broader = {label: tuple(terms) for label, terms in above.items()}

    @classmethod
    def read(cls, path: str | Path, *, language: str = "en") -> Taxonomy:
        """Read a SKOS or OWL file, or a table of labels and broader terms.

        Args:
            path: ``.csv`` or ``.tsv`` with the columns ``label`` and ``broader``; several broader
                terms go in several rows, or are separated by ``|``. Or RDF: ``.ttl``, ``.rdf``,
                ``.owl``, ``.xml``, ``.nt``, ``.n3``, ``.jsonld``, ``.trig``: SKOS concepts by their
                preferred labels, OWL and RDFS classes by their labels, or else by their local names
                if these are words; deprecated ones are left out.
            language: Language of the labels; labels without a language tag are the fallback. A
                concept with neither is left out, and its narrower concepts move up to its broader
                ones.

        Raises:
            FileNotFoundError: If there is no such file.
            ImportError: If an RDF file is given and ``rdflib`` is not installed (extra
                ``ontology``).
            ValueError: If the file cannot be parsed in the format of its extension, or has no
                labels.
        """
        from ner_retriever_rag.queries.vocabularies import read_broader

        return cls(read_broader(Path(path), language))

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, in the order they were given."""
        return tuple(self._broader)

    def __iter__(self) -> Iterator[str]:
        return iter(self._broader)

    def __len__(self) -> int:
        return len(self._broader)

    def __contains__(self, label: object) -> bool:
        return label in self._broader

    def __repr__(self) -> str:
        tops = [label for label, terms in self._broader.items() if not terms]
        return f"Taxonomy({len(self)} labels under {', '.join(tops[:5]) or 'each other'})"

    def kinds(self, encoder: TypeAwareEncoder) -> Kinds:
        """Encode the labels as a vocabulary of kinds."""
        return encoder.kinds_of(self.labels, description_vectors(encoder, self.labels))

    def broader(self, label: str) -> tuple[str, ...]:
        """The labels directly above a label.

        Raises:
            KeyError: If it is not a label of the taxonomy.
        """
        return self._broader[label]

    def above(self, label: str) -> tuple[str, ...]:
        """All labels above a label, each once, nearest first.

        Raises:
            KeyError: If it is not a label of the taxonomy.
        """
        found: dict[str, None] = {}
        ring = self._broader[label]
        while ring:
            found.update(dict.fromkeys(ring))
            ring = tuple(
                dict.fromkeys(
                    term
                    for each in ring
                    for term in self._broader[each]
                    if term not in found and term != label
                )
            )
        found.pop(label, None)
        return tuple(found)

    def path(self, label: str) -> tuple[str, ...]:
        """The path from the root down to a label, following the first broader term of each.

        Raises:
            KeyError: If it is not a label of the taxonomy.
        """
        way = [label]
        while terms := [each for each in self._broader[way[-1]] if each not in way]:
            way.append(terms[0])
        return tuple(reversed(way))


def _label(label: object) -> str:
    return " ".join(require_text(label, "a label").split())
