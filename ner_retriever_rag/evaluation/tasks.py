"""Evaluation tasks: a corpus, type descriptions, and the texts relevant to each."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ner_retriever_rag.encoder.labels import spelled_out
from ner_retriever_rag.evaluation.formats import (
    TypedText,
    read_columns,
    read_hub,
    read_lines,
    read_neretrieve,
)
from ner_retriever_rag.schema import Span

# INTER files hide the types of other splits: gold is complete for these only.
_FEW_NERD = {
    "fewnerd-test": (("inter-test",), "inter-test"),
    "fewnerd-dev": (("inter-dev",), "inter-dev"),
    "fewnerd-pool": (("inter-train-sample", "inter-dev", "inter-test"), "inter-train-sample"),
}


@dataclass(frozen=True, slots=True)
class Task:
    """Texts, type descriptions, and the texts that mention each type.

    Attributes:
        name: Name in reports.
        texts: Distinct texts.
        spans: Gold mentions of each text, whatever their type.
        queries: Type label to the description used as the query.
        relevant: Type label to the indices of the texts with a gold mention of it.
    """

    name: str
    texts: list[str]
    spans: list[list[Span]]
    queries: dict[str, str]
    relevant: dict[str, frozenset[int]]


def make_task(name: str, typed: Iterable[TypedText], queries: Mapping[str, str]) -> Task:
    """Make a task; duplicate texts become one with the mentions of both.

    Args:
        name: Name in reports.
        typed: Texts with typed mentions.
        queries: Type label to description; other labels, and those without a text, are not scored.
    """
    number: dict[str, int] = {}
    spans: defaultdict[int, set[Span]] = defaultdict(set)
    relevant: defaultdict[str, set[int]] = defaultdict(set)
    for each in typed:
        i = number.setdefault(each.text, len(number))
        for start, end, label in each.mentions:
            spans[i].add((start, end))
            relevant[label].add(i)
    scored = {label: queries[label] for label in sorted(queries) if relevant.get(label)}
    return Task(
        name,
        list(number),
        [sorted(spans[i]) for i in range(len(number))],
        scored,
        {label: frozenset(relevant[label]) for label in scored},
    )


def spell_out(label: str) -> str:
    """Describe a label: ``"MusicalGRP"`` -> ``"musical group"``; one with spaces is lowercased."""
    if " " in label:  # a description already; a dash in it joins words
        return label.lower()
    return spelled_out(label).replace("-", " ").lower()


def queries_for(typed: Iterable[TypedText], names: Mapping[str, str] | None) -> dict[str, str]:
    """Descriptions of all labels, except catch-all ones ("Other ...").

    Args:
        typed: Texts with the labels.
        names: Label, or the part after its dash, to description; None spells labels out, without
            the part before the dash if other labels share it ("person-actor").
    """
    labels = {label for each in typed for _, _, label in each.mentions}
    sharing = Counter(label.partition("-")[0] for label in labels)
    found = {}
    for label in sorted(labels):
        coarse, _, fine = label.partition("-")
        if names is None:  # a dash may join the words of one name ("creative-work")
            name = spell_out(fine if sharing[coarse] > 1 or fine == "other" else label)
        else:
            name = names.get(label, names.get(fine or label, ""))
        if name and not name.lower().startswith("other"):
            found[label] = name
    return found


def load_task(spec: str, data: str | Path | None = None, names: str | Path | None = None) -> Task:
    """Load a task by its specification.

    Args:
        spec: ``fewnerd-test``, ``fewnerd-dev`` or ``fewnerd-pool`` (from files in ``data``);
            ``hub:NAME[:CONFIG[:SPLIT]]``; ``neretrieve:CORPUS:LABELS``; or a file: ``.jsonl`` of
            texts and mentions, otherwise one token and its tag per line.
        data: Folder with ``fewnerd/``, for the tasks of that name.
        names: JSON of descriptions by label; None spells the labels out.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the specification is none of these, or nothing in it can be scored.
    """
    if spec in _FEW_NERD:
        if data is None:
            raise ValueError(f"task {spec} needs data (--data), the folder with fewnerd/")
        folder = Path(data) / "fewnerd"
        files, scored = _FEW_NERD[spec]
        typed = {file: read_lines(folder / f"{file}.jsonl") for file in files}
        asked = queries_for(typed[scored], read_type_names(names or folder / "type-names.json"))
        return make_task(spec, [each for file in files for each in typed[file]], asked)
    kind, _, rest = spec.partition(":")
    if kind == "hub":
        name, config, split = (rest.split(":") + ["", ""])[:3]
        found = read_hub(name, config or None, split or "test")
    elif kind == "neretrieve":
        corpus, _, labels = rest.partition(":")
        found = read_neretrieve(corpus, labels)
    elif Path(spec).is_file():
        found = read_lines(spec) if spec.endswith(".jsonl") else read_columns(spec)
    else:
        raise ValueError(
            f"task {spec!r} is neither a file nor one of {', '.join(_FEW_NERD)}, "
            "hub:NAME[:CONFIG[:SPLIT]], neretrieve:CORPUS:LABELS"
        )
    task = make_task(
        Path(spec).stem if kind == spec else spec,
        found,
        queries_for(found, read_type_names(names) if names else None),
    )
    if not task.queries:
        raise ValueError(f"task {spec!r} has no mention with a type that can be scored")
    return task


def read_type_names(path: str | Path) -> dict[str, str]:
    """Read type labels and their descriptions from a JSON file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a JSON object of strings.
    """
    try:
        names = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(names, dict) or not all(isinstance(each, str) for each in names.values()):
        raise ValueError(f'{path} must hold descriptions by label, such as {{"PER": "person"}}')
    return names
