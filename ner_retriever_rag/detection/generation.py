"""A transformers text-generation model, with the part of LangChain's interface used here."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

Messages = Sequence[tuple[str, str]]
_PASSAGE, _MARKED = "Passage:", "Marked:"  # turns for models without a chat template
_ROLES = {"system": "system", "human": "user", "ai": "assistant"}


class TransformersChat:
    """Answers messages with a local model, by greedy decoding, in batches.

    Models without a chat template (base models) get the turns as plain text, ``Passage:`` and
    ``Marked:`` alternately, which they continue.

    Args:
        model: Hub id or folder, or a loaded causal language model.
        tokenizer: Its tokenizer; required if the model is passed loaded.
        device: Device of the model; None uses the accelerator if there is one.
        dtype: As for transformers' ``from_pretrained``.
        batch_size: Prompts per batch.
        max_new_tokens: Maximum tokens of an answer; None for twice the last message's tokens plus
            64.
        load_options: Extra keyword arguments for ``from_pretrained``; if they include a
            ``device_map``, the model stays where that places it.

    Raises:
        ValueError: If a loaded model comes without its tokenizer.
        OSError: If there is no such model.
    """

    def __init__(
        self,
        model: str | Path | Any,
        tokenizer: Any = None,
        *,
        device: str | None = None,
        dtype: str = "auto",
        batch_size: int = 8,
        max_new_tokens: int | None = None,
        load_options: dict[str, Any] | None = None,
    ) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        options = load_options or {}
        if isinstance(model, str | Path):
            tokenizer = tokenizer or AutoTokenizer.from_pretrained(model)
            loaded: Any = AutoModelForCausalLM.from_pretrained(model, dtype=dtype, **options)
            if "device_map" not in options:
                loaded.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
            model = loaded
        elif tokenizer is None:
            raise ValueError("a loaded model needs its tokenizer too: pass tokenizer=")
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.max_new_tokens = max_new_tokens
        self._lock = threading.Lock()

    def batch(
        self,
        inputs: Sequence[Messages],
        config: dict[str, Any] | None = None,
        *,
        return_exceptions: bool = False,
    ) -> list[str | Exception]:
        """Answer each conversation.

        Args:
            inputs: Conversations, each a list of ``(role, text)`` with LangChain's roles.
            config: Ignored, part of the interface; concurrency is ``batch_size``.
            return_exceptions: Return an exception as that conversation's answer instead of raising.

        Raises:
            Exception: Whatever the tokenizer or the model raises, unless ``return_exceptions``.
        """
        answers: list[str | Exception] = []
        for start in range(0, len(inputs), self.batch_size):
            some = inputs[start : start + self.batch_size]
            try:
                answers += self._generate(some)
            except Exception:
                if not return_exceptions:
                    raise
                answers += [self._generate_one(each) for each in some]
        return answers

    def _generate_one(self, messages: Messages) -> str | Exception:
        try:
            return self._generate([messages])[0]
        except Exception as error:
            return error

    def _generate(self, conversations: Sequence[Messages]) -> list[str]:
        with self._lock, torch.inference_mode():
            rows = [self._prompt_ids(messages) for messages in conversations]
            last = max(len(self._ids(messages[-1][1])) for messages in conversations)
            longest = max(map(len, rows))
            pad = self.tokenizer.pad_token_id
            pad = (self.tokenizer.eos_token_id or 0) if pad is None else pad
            padded = [[pad] * (longest - len(row)) + row for row in rows]
            mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
            written = self.model.generate(
                input_ids=torch.tensor(padded, device=self.model.device),
                attention_mask=torch.tensor(mask, device=self.model.device),
                max_new_tokens=self.max_new_tokens or 2 * last + 64,
                do_sample=False,
                pad_token_id=pad,
            )
        answers: list[str] = self.tokenizer.batch_decode(
            written[:, longest:], skip_special_tokens=True
        )
        # A base model goes on to invent passages of its own.
        return [answer.split(f"\n\n{_PASSAGE}")[0] for answer in answers]

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _prompt_ids(self, messages: Messages) -> list[int]:
        if not getattr(self.tokenizer, "chat_template", None):
            names = {"system": "", "human": f"{_PASSAGE} ", "ai": f"{_MARKED} "}
            lines = [f"{names[role]}{text}" for role, text in messages]
            ids: list[int] = self.tokenizer("\n\n".join([*lines, _MARKED]))["input_ids"]
            return ids
        turns = [{"role": _ROLES[role], "content": text} for role, text in messages]
        try:
            prompt = self._templated(turns)
        except Exception:  # some templates have no system role: it goes into the first user turn
            (_, system), (_, first), *_ = messages
            turns = [{"role": "user", "content": f"{system}\n\n{first}"}, *turns[2:]]
            prompt = self._templated(turns)
        return self._ids(prompt)

    def _templated(self, turns: list[dict[str, str]]) -> str:
        prompt: str = self.tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True
        )
        return prompt
