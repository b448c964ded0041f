"""What language models read and write: results as text, a search as a tool, a question's type.

Frameworks differ in how they carry these; what they carry is here, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints, field_validator

from ner_retriever_rag.questions.questions import ParsedQuestion

TOOL_NAME = "find_by_entity_type"
TOOL_DESCRIPTION = (
    "Finds texts that mention entities of a kind, such as 'dinosaur' or 'Swedish football club', "
    "whatever the entities are called. Each text comes with the names found in it and the "
    "probability that they are of that kind. Give a kind of thing: neither a name nor a question."
)
NOTHING_FOUND = "No text was found that mentions entities of this kind."
ANSWER_TYPE_PROMPT = (
    "Say which type of named entity the answers to the user's question are, and what the "
    "question says about them. Do not answer the question.\n"
    "Which dinosaurs lived in what is now Argentina? type: dinosaur, "
    "topic: lived in what is now Argentina\n"
    "Who wrote Faust? type: person, topic: wrote Faust\n"
    "Why is the sky blue? type: null, topic: null"
)
_NOTHING = {"", "none", "null", "n/a"}

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class EntityTypeArguments(BaseModel):
    """The arguments of a search as a model gives them."""

    type: Words = Field(
        description="The kind of entity, a noun phrase in the singular: 'dinosaur', 'river', "
        "'Norwegian black metal band'."
    )
    about: Words | None = Field(
        default=None,
        description="What the texts should say about it, without the kind: 'found in Argentina'. "
        "Leave out for any text that mentions the kind.",
    )
    k: int | None = Field(
        default=None, ge=1, description="How many texts at most; leave out for the usual number."
    )

    @field_validator("about", "k", mode="before")
    @classmethod
    def _none_where_empty(cls, value: Any) -> Any:
        """Models fill in what they should leave out."""
        return None if isinstance(value, str) and not value.strip() else value


class TypeAndTopic(BaseModel):
    """The type of entity a question asks for, and what it says about it."""

    type: str | None = Field(
        default=None,
        description="The kind of entity the answers are, a noun phrase in the singular: "
        "'dinosaur', 'Swedish football club'. Null if the question asks for no entities but for "
        "a reason, a manner, a date, a quantity, a definition, or yes or no.",
    )
    topic: str | None = Field(
        default=None,
        description="What the question says about them, in its own words, without the type; null "
        "if nothing.",
    )


def read_answer(question: str, answer: Any) -> ParsedQuestion:
    """A question taken apart by a model; a model that says nothing found no type.

    Args:
        question: What was asked.
        answer: The model's structured output: a ``TypeAndTopic``, its fields, or None.

    Raises:
        TypeError: If it is something else.
    """
    said = TypeAndTopic() if answer is None else answer
    if isinstance(said, dict):
        said = TypeAndTopic.model_validate(said)
    if not isinstance(said, TypeAndTopic):
        raise TypeError(f"the model's answer is no TypeAndTopic but {type(said).__name__}")
    kind, topic = (
        None if part is None or part.strip().lower() in _NOTHING else part.strip()
        for part in (said.type, said.topic)
    )
    return ParsedQuestion(question, kind, topic if kind else None)


def render(passages: Iterable[tuple[str, Sequence[Mapping[str, Any]]]]) -> str:
    """Texts for a prompt, numbered, each with the names that were found in it.

    Args:
        passages: Texts with their matches: ``{"text", "score"}``, with several types also
            ``"type"``; best first.

    Returns:
        One text with a line "Mentions: Stegosaurus (0.98)" after each passage that has matches.
    """
    return "\n\n".join(
        "\n".join(filter(None, (f"[{number}] {text.strip()}", _mentions(matches))))
        for number, (text, matches) in enumerate(passages, 1)
    )


def _mentions(matches: Sequence[Mapping[str, Any]]) -> str:
    """Every name once, with its best score."""
    named: dict[tuple[str, str], str] = {}
    for match in matches:
        name, kind = " ".join(match["text"].split()), match.get("type", "")
        label = ", ".join(filter(None, (kind, f"{match['score']:.2f}")))
        named.setdefault((name.casefold(), kind), f"{name} ({label})")
    return f"Mentions: {', '.join(named.values())}" if named else ""
