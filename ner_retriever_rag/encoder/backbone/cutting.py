"""Loads a checkpoint without anything that comes after the last tap."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING, MODEL_MAPPING
from transformers.utils import logging as transformers_logging

from ner_retriever_rag._imports import require
from ner_retriever_rag.encoder.backbone.packed import is_packed, read_packed
from ner_retriever_rag.encoder.backbone.shards import needed_shards
from ner_retriever_rag.encoder.backbone.taps import (
    LANGUAGE_MODEL,
    Anatomy,
    Tap,
    check_taps,
    find_anatomy,
    last_block,
    module_path,
)

# Modules that run after the last block, next to the block list or at the top of the model.
_AFTER_BLOCKS = ("norm", "ln_f", "final_layernorm", "final_layer_norm", "final_norm", "pooler")
# Weights that a checkpoint may hold besides the bare model, or besides the encoder.
_BESIDE = ("lm_head", "embed_out", "decoder")


def load_tokenizer(source: str, trust_remote_code: bool) -> Any:
    """Load a checkpoint's tokenizer.

    Raises:
        ValueError: If it provides no character offsets.
    """
    tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=trust_remote_code)
    if not tokenizer.is_fast:
        raise ValueError(f"the tokenizer of {source} provides no character offsets")
    return tokenizer


def load_cut_model(
    source: str, taps: tuple[Tap, ...], dtype: Any, options: dict[str, Any]
) -> tuple[PreTrainedModel, Anatomy | None]:
    """Load the part of a model that the taps need.

    The model's class gets a constructor that cuts the model as soon as it is built, which in
    transformers is before weights are read: weights without a parameter are never read. Shards that
    hold only such weights are not even opened.

    Args:
        source: Folder or hub id.
        taps: Taps to be read.
        dtype: A ``torch.dtype``, or ``"auto"`` for the checkpoint's.
        options: Keyword arguments for ``from_pretrained``; must contain ``trust_remote_code``.

    Returns:
        The model, frozen and in eval mode, and its anatomy (None for an unknown architecture).

    Raises:
        ValueError: If a tap is not in the model, or the checkpoint lacks weights for one.
        ImportError: If the options need accelerate or bitsandbytes and it is not installed.
    """
    _require_extras(options)
    config = AutoConfig.from_pretrained(source, trust_remote_code=options["trust_remote_code"])
    config.use_cache = False
    if getattr(config.get_text_config(), "attn_logit_softcapping", None):
        # Before transformers 5.17, its fused attention ignores soft-capping (Gemma 2).
        options = {"attn_implementation": "eager", **options}
    base = _model_class(config)
    with torch.device("meta"):
        outline = base(deepcopy(config))  # the model's shape, without weights
    anatomy = find_anatomy(outline)
    check_taps(outline, anatomy, taps)
    whole = set(outline.state_dict())
    _cut(outline, anatomy, taps)
    gone = whole - set(outline.state_dict())

    def has_place(name: str) -> bool:
        name = name.removeprefix(f"{base.base_model_prefix}.")
        part = name.partition(".")[0]
        return name not in gone and (part not in _BESIDE or hasattr(outline, part))

    def build(self: Any, *args: Any, **kwargs: Any) -> None:
        base.__init__(self, *args, **kwargs)
        _cut(self, anatomy, taps)

    cut_class: Any = type(
        base.__name__, (base,), {"__init__": build, "__module__": base.__module__}
    )
    if is_packed(source):
        options = {**options, "state_dict": read_packed(source, has_place)}
    with _quiet(), needed_shards(source, has_place) as folder:
        model, info = cut_class.from_pretrained(
            None if is_packed(source) else folder,
            config=config,
            dtype=dtype,
            output_loading_info=True,
            **options,
        )
    if info["missing_keys"]:
        missing = ", ".join(sorted(info["missing_keys"])[:5])
        raise ValueError(f"{source} lacks weights that the taps need: {missing}")
    return model.eval().requires_grad_(False), anatomy


def _model_class(config: Any) -> Any:
    """Bare model class of an architecture; for encoder-decoders the encoder alone."""
    for mapping in (MODEL_FOR_TEXT_ENCODING_MAPPING, MODEL_MAPPING):
        if type(config) in mapping:
            found = mapping[type(config)]
            return found[0] if isinstance(found, tuple) else found
    raise ValueError(f"transformers has no bare text model for {type(config).__name__}")


def _require_extras(options: dict[str, Any]) -> None:
    """Name a missing extra before transformers raises an error of its own."""
    if "device_map" in options:
        require("accelerate", extra="llm")
    if "load_in_" in repr(options.get("quantization_config")):  # a dict or a BitsAndBytesConfig
        require("bitsandbytes", extra="llm")


def _cut(model: PreTrainedModel, anatomy: Anatomy | None, taps: tuple[Tap, ...]) -> None:
    """Remove everything after a model's last tap."""
    if any(tap.kind == "module" for tap in taps):
        _cut_after_modules(model, taps)
        return
    assert anatomy is not None  # ensured by check_taps
    if anatomy.blocks.startswith(LANGUAGE_MODEL + "."):
        for name in [name for name, _ in model.named_children() if name != LANGUAGE_MODEL]:
            setattr(model, name, None)  # there are no images
    last = last_block(taps)
    # hidden@0 is read at the input of the first block, so one block is kept.
    blocks = _cut_after_block(model, anatomy.blocks, max(last, 0))
    if last < 0:
        _keep_only(blocks[0], set())
    elif needed := _needed_parts(anatomy, taps, last):
        _keep_only(blocks[last], needed)


def _cut_after_block(model: PreTrainedModel, path: str, last: int) -> Any:
    """Remove the blocks after ``last`` and what runs after all of them; return the block list."""
    above, _, _ = path.rpartition(".")
    for parent in {model, model.get_submodule(above)}:
        for name in _AFTER_BLOCKS:
            if isinstance(getattr(parent, name, None), nn.Module):
                setattr(parent, name, None)
    blocks: Any = model.get_submodule(path)
    del blocks[last + 1 :]
    return blocks


def _needed_parts(anatomy: Anatomy, taps: tuple[Tap, ...], last: int) -> set[str]:
    """Parts of the last block that run up to its last tap; empty for all of them."""
    kinds = {tap.kind for tap in taps if tap.block == last and tap.kind != "hidden"}
    if "mlp" in kinds or Tap("hidden", last + 1) in taps:
        return set()
    if "attention" in kinds:
        return {*anatomy.before, anatomy.core, anatomy.attention}
    return {*anatomy.before, *(getattr(anatomy, kind) for kind in kinds)}


def _keep_only(block: nn.Module, paths: set[str]) -> None:
    """Replace a block's modules with weights, except those at ``paths``, with ``nn.Identity``."""
    for name, module in list(block.named_modules()):
        if any(name == path or name.startswith(path + ".") for path in paths):
            continue
        # transformers initializes what the checkpoint lacks; it would stumble over removed parts.
        vars(module)["_is_hf_initialized"] = True
        if not name or any(path.startswith(name + ".") for path in paths):
            continue
        if any(True for _ in module.parameters(recurse=False)):
            parent, _, leaf = name.rpartition(".")
            setattr(block.get_submodule(parent), leaf, nn.Identity())


def _cut_after_modules(model: PreTrainedModel, taps: tuple[Tap, ...]) -> None:
    """Drop the later blocks, if all ``module:`` taps are in one block list."""
    paths = [module_path(model, tap.path) for tap in taps]
    places = [re.fullmatch(r"(.*?)\.(\d+)(?:\..*)?", path) for path in paths]
    lists = {place[1] if place else "" for place in places}
    path = lists.pop() if len(lists) == 1 else ""
    if isinstance(model.get_submodule(path), nn.ModuleList):
        _cut_after_block(model, path, max(int(place[2]) for place in places if place))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers' report on unused weights: skipping some is intended."""
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
