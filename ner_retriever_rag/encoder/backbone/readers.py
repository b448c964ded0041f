"""Reads taps from a running model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import get_ident
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ner_retriever_rag.encoder.backbone.taps import (
    PROJECTIONS,
    Anatomy,
    Tap,
    last_block,
    module_path,
    slice_fused,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class _StopForward(Exception):
    """Ends a forward pass once the last tap has been read."""


class TapReader:
    """Runs a model and reads its taps on the way.

    Args:
        model: Cut after its last tap.
        taps: Taps to read.
        anatomy: Where the model keeps its parts; None if all taps name modules.
    """

    def __init__(
        self, model: PreTrainedModel, taps: Sequence[Tap], anatomy: Anatomy | None
    ) -> None:
        self._model, self._wanted = model, len(taps)
        self._read: dict[int, dict[str, Tensor]] = {}  # taps read so far, by thread
        alone = _last_projections(taps)
        for tap in taps:
            if tap.kind == "module":
                module = model.get_submodule(module_path(model, tap.path))
                module.register_forward_hook(_Output(tap, self._keep))
            else:
                assert anatomy is not None  # ensured by check_taps
                self._hook(tap, anatomy, alone=tap in alone)

    def run(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Run one forward pass, which ends as soon as all taps have been read.

        Returns:
            For each tap ``(batch, tokens, width)``, in the model's dtype.
        """
        self._read[get_ident()] = {}
        try:
            self._model(**inputs)
        except _StopForward:
            pass
        finally:
            read = self._read.pop(get_ident())
        return read

    def _hook(self, tap: Tap, anatomy: Anatomy, *, alone: bool) -> None:
        blocks: Any = self._model.get_submodule(anatomy.blocks)
        if tap.kind == "hidden" and tap.block == 0:
            blocks[0].register_forward_pre_hook(_Input(tap, self._keep), with_kwargs=True)
        elif tap.kind == "hidden":
            blocks[tap.block - 1].register_forward_hook(_Output(tap, self._keep))
        elif tap.kind in PROJECTIONS:
            config = self._model.config.get_text_config()
            projection = _Projection(tap, self._keep, blocks[tap.block], anatomy, config)
            projection.install(alone=alone)
        else:
            module = blocks[tap.block].get_submodule(getattr(anatomy, tap.kind))
            module.register_forward_hook(_Output(tap, self._keep))

    def _keep(self, tap: Tap, vectors: Tensor) -> None:
        read = self._read[get_ident()]
        read[str(tap)] = vectors
        if len(read) == self._wanted:
            raise _StopForward


Keep = Callable[[Tap, Tensor], None]


@dataclass(frozen=True, slots=True)
class _Input:
    """Hook for a tap that is the input of a module."""

    tap: Tap
    keep: Keep

    def __call__(self, _module: nn.Module, args: Any, kwargs: Any) -> None:
        self.keep(self.tap, _states(args, kwargs))


@dataclass(frozen=True, slots=True)
class _Output:
    """Hook for a tap that is the output of a module."""

    tap: Tap
    keep: Keep

    def __call__(self, _module: nn.Module, _args: Any, output: Any) -> None:
        self.keep(self.tap, _first(output))


@dataclass(frozen=True, slots=True)
class _Projection:
    """Hooks for a tap that is a query, key or value; some models compute these in one product."""

    tap: Tap
    keep: Keep
    block: nn.Module
    anatomy: Anatomy
    config: Any

    def install(self, *, alone: bool) -> None:
        """Hook the projection; with ``alone``, nothing else of its attention module is run."""
        if alone:
            core = self.block.get_submodule(self.anatomy.core)
            core.register_forward_pre_hook(self._project, with_kwargs=True)
        else:
            self._projection.register_forward_hook(self._output)

    @property
    def _projection(self) -> nn.Module:
        return self.block.get_submodule(getattr(self.anatomy, self.tap.kind))

    def _project(self, _module: nn.Module, args: Any, kwargs: Any) -> None:
        self._take(self._projection(_states(args, kwargs)))

    def _output(self, _module: nn.Module, _args: Any, output: Any) -> None:
        self._take(output)

    def _take(self, output: Any) -> None:
        core = self.block.get_submodule(self.anatomy.core)
        vectors = slice_fused(self.tap, self.anatomy, _first(output), core, self.config)
        self.keep(self.tap, vectors)


def _first(output: Any) -> Tensor:
    """A module's output, or its first part if it has several."""
    first: Tensor = output[0] if isinstance(output, tuple) else output
    return first


def _states(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Hidden states that a block or an attention module is called with."""
    states: Tensor = args[0] if args else kwargs["hidden_states"]
    return states


def _last_projections(taps: Sequence[Tap]) -> set[Tap]:
    """Projections read in the last block, if nothing else of that block is needed."""
    last = last_block(tuple(taps))
    in_last = {tap for tap in taps if tap.block == last and tap.kind != "hidden"}
    return in_last if all(tap.kind in PROJECTIONS for tap in in_last) else set()
