"""Load a checkpoint without anything that lies after the last tap."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from transformers import AutoConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING, MODEL_MAPPING
from transformers.utils import logging as transformers_logging

from ner_retriever_rag.taps import Anatomy, Tap, check_taps, find_anatomy, module_path

# What transformers' models run after their last block, as siblings of the block list or above.
_AFTER_BLOCKS = ("norm", "ln_f", "final_layernorm", "final_layer_norm", "final_norm", "pooler")


def load_cut_model(
    source: str, taps: tuple[Tap, ...], dtype: Any, options: dict[str, Any]
) -> tuple[PreTrainedModel, Anatomy | None]:
    """Load the part of a model that the taps need.

    The model's class is given a constructor that takes the model apart as soon as it is built,
    which transformers does before it opens the weights: what is not there is never read.

    Args:
        source: Folder or hub id.
        taps: What will be read.
        dtype: A ``torch.dtype``, or ``"auto"`` for the checkpoint's.
        options: Keyword arguments for ``from_pretrained``; must hold ``trust_remote_code``.

    Returns:
        The model, frozen and in eval mode, and its anatomy (None for an unknown architecture).

    Raises:
        ValueError: If a tap is not in the model, or the checkpoint lacks weights for one.
    """
    config = AutoConfig.from_pretrained(source, trust_remote_code=options["trust_remote_code"])
    config.use_cache = False
    base = _model_class(config)
    found: list[Anatomy | None] = []

    def build(self: Any, *args: Any, **kwargs: Any) -> None:
        base.__init__(self, *args, **kwargs)
        anatomy = find_anatomy(self)
        check_taps(self, anatomy, taps)
        _cut(self, anatomy, taps)
        found.append(anatomy)

    cut_class = type(base.__name__, (base,), {"__init__": build, "__module__": base.__module__})
    with _quiet():
        model, info = cut_class.from_pretrained(  # type: ignore[attr-defined]
            source, config=config, dtype=dtype, output_loading_info=True, **options
        )
    if info["missing_keys"]:
        missing = ", ".join(sorted(info["missing_keys"])[:5])
        raise ValueError(f"{source} lacks weights that the taps need: {missing}")
    return model.eval().requires_grad_(False), found[-1]


def last_block(taps: tuple[Tap, ...]) -> int:
    """The last block any of the taps needs (-1 if none needs a block)."""
    return max(tap.block - (tap.kind == "hidden") for tap in taps)


def _model_class(config: Any) -> Any:
    """The bare model of an architecture; for encoder-decoders the encoder alone."""
    for mapping in (MODEL_FOR_TEXT_ENCODING_MAPPING, MODEL_MAPPING):
        if type(config) in mapping:
            found = mapping[type(config)]
            return found[0] if isinstance(found, tuple) else found
    raise ValueError(f"transformers has no bare text model for {type(config).__name__}")


def _cut(model: PreTrainedModel, anatomy: Anatomy | None, taps: tuple[Tap, ...]) -> None:
    """Take out of a model what lies after its last tap."""
    if any(tap.kind == "module" for tap in taps):
        _cut_after_modules(model, taps)
        return
    assert anatomy is not None  # check_taps saw to it
    above, _, _ = anatomy.blocks.rpartition(".")
    for parent in {model, model.get_submodule(above)}:
        for name in _AFTER_BLOCKS:
            if isinstance(getattr(parent, name, None), nn.Module):
                setattr(parent, name, None)
    blocks: Any = model.get_submodule(anatomy.blocks)
    last = last_block(taps)
    # One block stays for hidden@0, whose reader sits at the first block's door.
    del blocks[max(last, 0) + 1 :]
    if last < 0:
        _keep_only(blocks[0], set())
    elif needed := _needed_parts(anatomy, taps, last):
        _keep_only(blocks[last], needed)


def _needed_parts(anatomy: Anatomy, taps: tuple[Tap, ...], last: int) -> set[str]:
    """The parts of the last block that run up to its last tap; empty for all of them."""
    kinds = {tap.kind for tap in taps if tap.block == last and tap.kind != "hidden"}
    if "mlp" in kinds or Tap("hidden", last + 1) in taps:
        return set()
    if "attention" in kinds:
        return {*anatomy.before, anatomy.core, anatomy.attention}
    return {*anatomy.before, *(getattr(anatomy, kind) for kind in kinds)}


def _keep_only(block: nn.Module, paths: set[str]) -> None:
    """Replace every module of a block that holds weights, but those at the paths, by nothing."""
    for name, module in list(block.named_modules()):
        if any(name == path or name.startswith(path + ".") for path in paths):
            continue
        # transformers initialises what the checkpoint lacks; it would miss the parts taken out.
        vars(module)["_is_hf_initialized"] = True
        if not name or any(path.startswith(name + ".") for path in paths):
            continue
        if any(True for _ in module.parameters(recurse=False)):
            parent, _, leaf = name.rpartition(".")
            setattr(block.get_submodule(parent), leaf, nn.Identity())


def _cut_after_modules(model: PreTrainedModel, taps: tuple[Tap, ...]) -> None:
    """Drop the later blocks of the block list that holds every ``module:`` tap, if one does."""
    paths = [module_path(model, tap.path) for tap in taps]
    places = [re.fullmatch(r"(.*?)\.(\d+)(?:\..*)?", path) for path in paths]
    lists = {place[1] if place else "" for place in places}
    if len(lists) == 1 and isinstance(
        blocks := model.get_submodule(next(iter(lists))), nn.ModuleList
    ):
        del blocks[max(int(place[2]) for place in places if place) + 1 :]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers' report on unused weights: leaving some out is the point here."""
    verbosity = transformers_logging.get_verbosity()
    bar = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bar:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
