"""Taps: where in a transformer vectors are read, and what must run and be loaded for that.

A tap is written ``kind@block`` (``value@17``, 0-indexed as in the paper) or ``module:dotted.path``
for the output of any module. Several are joined by ``+``. Kinds:

- ``query``, ``key``, ``value``: the block's attention projections, heads concatenated;
- ``attention``, ``mlp``: the output projections of the two sublayers, before the residual sum;
- ``hidden``: the residual stream after that many blocks (``hidden@0`` is the embedding output).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

PROJECTIONS = ("query", "key", "value")
KINDS = (*PROJECTIONS, "attention", "mlp", "hidden")
_WRITTEN = re.compile(rf"({'|'.join(KINDS)})@(\d+)")


@dataclass(frozen=True, slots=True)
class Tap:
    """A place in the backbone.

    Attributes:
        kind: One of ``KINDS``, or ``"module"``.
        block: The block's index, 0-based; for ``hidden``, how many blocks have run.
        path: The module's dotted path, for kind ``"module"`` only.
    """

    kind: str
    block: int = -1
    path: str = ""

    def __str__(self) -> str:
        return f"module:{self.path}" if self.kind == "module" else f"{self.kind}@{self.block}"


def parse_taps(written: str | Sequence[str]) -> tuple[Tap, ...]:
    """Parse taps from ``"value@3+hidden@6"`` or a list of single taps.

    Raises:
        ValueError: If a tap is not ``kind@block`` or ``module:path``, or is repeated.
    """
    parts = written.split("+") if isinstance(written, str) else list(written)
    taps = tuple(_parse_tap(part.strip()) for part in parts)
    if len(set(taps)) < len(taps):
        raise ValueError(f"taps list the same place twice: {written!r}")
    return taps


def _parse_tap(written: str) -> Tap:
    if written.startswith("module:") and len(written) > len("module:"):
        return Tap("module", path=written.removeprefix("module:"))
    if found := _WRITTEN.fullmatch(written):
        return Tap(found[1], int(found[2]))
    raise ValueError(
        f"tap {written!r} is not understood: write kind@block with a kind of {', '.join(KINDS)} "
        "(as in value@17), or module:dotted.path"
    )


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Where one family of architectures keeps the parts of a block (paths within the block).

    Attributes:
        blocks: Path of the block list in the model.
        core: The module whose input the projections read.
        query: Query projection, or the fused projection if ``fused`` is set.
        key: Key projection.
        value: Value projection.
        attention: The attention's output projection.
        mlp: The feed-forward's output projection.
        before: Modules of the block that run before ``core``.
        fused: How query, key and value share one projection: ``"concat"`` (all queries, all
            keys, all values) or ``"heads"`` (query, key and value of head 0, then of head 1, ...).
        biases: Parameters of ``core`` added to query and value after a fused projection.
    """

    blocks: str
    core: str
    query: str
    key: str
    value: str
    attention: str
    mlp: str
    before: tuple[str, ...] = ()
    fused: str = ""
    biases: tuple[str, str] | None = None

    def fits(self, model: nn.Module) -> bool:
        """Whether the model has the block list and, in its first block, every named part."""
        try:
            block: Any = model.get_submodule(self.blocks)[0]  # type: ignore[index]
            for path in (self.query, self.key, self.value, self.attention, self.mlp):
                block.get_submodule(path)
        except (AttributeError, TypeError, IndexError):
            return False
        return True


def _split(
    blocks: str,
    core: str,
    projections: tuple[str, str, str],
    attention: str,
    mlp: str,
    before: tuple[str, ...] = (),
) -> Anatomy:
    query, key, value = (f"{core}.{name}" for name in projections)
    return Anatomy(blocks, core, query, key, value, attention, mlp, before)


def _fused(
    blocks: str,
    core: str,
    name: str,
    attention: str,
    mlp: str,
    before: tuple[str, ...],
    fused: str,
    biases: tuple[str, str] | None = None,
) -> Anatomy:
    path = f"{core}.{name}"
    return Anatomy(blocks, core, path, path, path, attention, mlp, before, fused, biases)


LANGUAGE_MODEL = "language_model"  # its name in multimodal models
_QKV = ("q_proj", "k_proj", "v_proj")
_BERT = ("query", "key", "value")
_DEBERTA = ("query_proj", "key_proj", "value_proj")
_SELF, _OUT = "attention.self", "attention.output.dense"

ANATOMIES = (
    # LLaMA, Mistral, Gemma, Qwen and relatives; with mixture of experts; then Phi; then Phi-3.
    _split("layers", "self_attn", _QKV, "self_attn.o_proj", "mlp.down_proj", ("input_layernorm",)),
    _split("layers", "self_attn", _QKV, "self_attn.o_proj", "mlp", ("input_layernorm",)),
    _split("layers", "self_attn", _QKV, "self_attn.dense", "mlp.fc2", ("input_layernorm",)),
    _fused(
        "layers", "self_attn", "qkv_proj", "self_attn.o_proj", "mlp.down_proj",
        ("input_layernorm",), "concat",
    ),
    # GPT-2; GPT-NeoX and Pythia.
    _fused("h", "attn", "c_attn", "attn.c_proj", "mlp.c_proj", ("ln_1",), "concat"),
    _fused(
        "layers", "attention", "query_key_value", "attention.dense", "mlp.dense_4h_to_h",
        ("input_layernorm",), "heads",
    ),
    # BERT and RoBERTa; DeBERTa v2/v3; DeBERTa; DistilBERT.
    _split("encoder.layer", _SELF, _BERT, _OUT, "output.dense"),
    _split("encoder.layer", _SELF, _DEBERTA, _OUT, "output.dense"),
    _fused(
        "encoder.layer", _SELF, "in_proj", _OUT, "output.dense", (), "heads", ("q_bias", "v_bias")
    ),
    _split(
        "transformer.layer", "attention", ("q_lin", "k_lin", "v_lin"), "attention.out_lin",
        "ffn.lin2",
    ),
    # ModernBERT; T5's encoder.
    _fused("layers", "attn", "Wqkv", "attn.Wo", "mlp.Wo", ("attn_norm",), "concat"),
    _split(
        "encoder.block", "layer.0.SelfAttention", ("q", "k", "v"), "layer.0.SelfAttention.o",
        "layer.1.DenseReluDense.wo", ("layer.0.layer_norm",),
    ),
)  # fmt: skip


def find_anatomy(model: nn.Module) -> Anatomy | None:
    """Return the anatomy that fits the model, or None for an architecture not in ``ANATOMIES``.

    For a model that also takes images, it is that of its language model.
    """
    inner = tuple(replace(each, blocks=f"{LANGUAGE_MODEL}.{each.blocks}") for each in ANATOMIES)
    return next((each for each in ANATOMIES + inner if each.fits(model)), None)


def check_taps(model: nn.Module, anatomy: Anatomy | None, taps: Iterable[Tap]) -> None:
    """Check that the model has every tap.

    Raises:
        ValueError: If the architecture is unknown, a block does not exist, or no module has the
            path given. The message lists what is available.
    """
    names = {name for name, _ in model.named_modules()}
    for tap in taps:
        if tap.kind == "module":
            if module_path(model, tap.path) not in names:
                raise ValueError(f"no module {tap.path!r} in {_outline(model)}")
            continue
        if anatomy is None:
            raise ValueError(
                f"tap {tap}: the parts of {type(model).__name__} are not known; name the module "
                "to read as module:dotted.path (for instance "
                f"module:model.layers.17.self_attn.v_proj). Its modules are {_outline(model)}"
            )
        count = len(model.get_submodule(anatomy.blocks))  # type: ignore[arg-type]
        last = count if tap.kind == "hidden" else count - 1
        if tap.block > last:
            raise ValueError(
                f"tap {tap}: {type(model).__name__} has {count} blocks, so {tap.kind}@ goes "
                f"from 0 to {last}"
            )


def last_block(taps: tuple[Tap, ...]) -> int:
    """Last block that any of the taps needs (-1 if none needs a block)."""
    return max(tap.block - (tap.kind == "hidden") for tap in taps)


def module_path(model: nn.Module, path: str) -> str:
    """Resolve a module's path in the bare model.

    Args:
        model: The bare model.
        path: Path in it, or in the model with its head (``model.layers.17.mlp``).
    """
    prefix = f"{getattr(model, 'base_model_prefix', '')}."
    bare = path.removeprefix(prefix)
    return path if any(name == path for name, _ in model.named_modules()) else bare


def _outline(model: nn.Module) -> str:
    """Names of the model's modules that hold weights, with block numbers replaced by N."""
    shapes = dict.fromkeys(
        re.sub(r"(^|\.)\d+(?=\.|$)", r"\1N", name)
        for name, module in model.named_modules()
        if name and next(iter(module.parameters(recurse=False)), None) is not None
    )
    return ", ".join(shapes)


def slice_fused(
    tap: Tap, anatomy: Anatomy, projected: Tensor, core: nn.Module, config: Any
) -> Tensor:
    """Extract query, key or value from a fused projection's output.

    Args:
        tap: Which of the three.
        anatomy: How they are fused; without fusion ``projected`` is returned unchanged.
        projected: ``(batch, tokens, width)``, the projection's output.
        core: The attention module, for biases added after the projection.
        config: The model's configuration, for the number and size of heads.

    Returns:
        ``(batch, tokens, heads * head_dim)``.
    """
    if not anatomy.fused:
        return projected
    which = PROJECTIONS.index(tap.kind)
    heads: int = config.num_attention_heads
    if anatomy.fused == "heads":
        by_head = projected.view(*projected.shape[:-1], heads, -1)
        part = by_head.chunk(3, dim=-1)[which].flatten(-2)
    else:
        kv_heads: int = getattr(config, "num_key_value_heads", None) or heads
        head_dim = projected.shape[-1] // (heads + 2 * kv_heads)
        sizes = [heads * head_dim, kv_heads * head_dim, kv_heads * head_dim]
        part = torch.split(projected, sizes, dim=-1)[which]
    if anatomy.biases and tap.kind != "key":
        part = part + getattr(core, anatomy.biases[0 if tap.kind == "query" else 1])
    return part
