"""Tiny random models of an architecture, and their taps computed by hand from the weights.

Nothing here uses the package's own knowledge of module layouts: each family states independently
which rows of which matrix produce queries, keys and values.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import torch
from torch.nn.functional import gelu, linear, silu
from torch.nn.functional import layer_norm as plain_layer_norm
from transformers.pytorch_utils import Conv1D

WIDTH, HEADS, KV_HEADS, INNER, BLOCKS, TOKENS = 32, 4, 2, 48, 3, 400

LLAMA_SHAPE = {
    "vocab_size": TOKENS, "hidden_size": WIDTH, "intermediate_size": INNER,
    "num_hidden_layers": BLOCKS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
    "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
BERT_SHAPE = {
    "vocab_size": TOKENS, "hidden_size": WIDTH, "intermediate_size": INNER,
    "num_hidden_layers": BLOCKS, "num_attention_heads": HEADS, "max_position_embeddings": 70,
    "pad_token_id": 0,
}  # fmt: skip


def epsilon(norm):
    """The epsilon of a norm, stored under one of two names."""
    return getattr(norm, "variance_epsilon", None) or norm.eps


def rms(norm, states):
    """RMS norm, as in LLaMA."""
    return norm.weight * states / (states.square().mean(-1, keepdim=True) + epsilon(norm)).sqrt()


def gemma_rms(norm, states):
    """RMS norm as in Gemma, which stores the weight minus one."""
    return (1 + norm.weight) * states / (states.square().mean(-1, keepdim=True) + norm.eps).sqrt()


def layer_norm(norm, states):
    """Layer norm: subtract the mean, divide by the standard deviation."""
    return plain_layer_norm(states, norm.weight.shape, norm.weight, norm.bias, epsilon(norm))


def layer_norm_but_first(norm, states):
    """Layer norm, except in ModernBERT's first block: its embeddings are already normalized."""
    return layer_norm(norm, states) if hasattr(norm, "weight") else states


def no_norm(_norm, states):
    """No norm: BERT-like models normalize after a block, not before."""
    return states


def project(layer, states):
    """Apply a linear layer's weight and bias; GPT-2 stores the transposed matrix."""
    if isinstance(layer, Conv1D):
        return states @ layer.weight + layer.bias
    return linear(states, layer.weight, layer.bias)


def gated(activation):
    """Feed-forward layer as in LLaMA: one projection gates the other."""

    def mlp(block, states):
        inner = block.mlp
        return project(inner.down_proj, activation(project(inner.gate_proj, states)) *
                     project(inner.up_proj, states))  # fmt: skip

    return mlp


def tanh_gelu(states):
    """The tanh approximation of GELU that GPT-2 uses."""
    return gelu(states, approximate="tanh")


def rows(first, count):
    """``count`` rows of a fused matrix, as a separate (weight, bias)."""

    def take(layer):
        part = slice(first, first + count)
        return layer.weight[part], None if layer.bias is None else layer.bias[part]

    return take


def rows_by_head(which):
    """Rows of query (0), key (1) or value (2) of a matrix with the three interleaved by head."""
    size = WIDTH // HEADS
    index = [head * 3 * size + which * size + i for head in range(HEADS) for i in range(size)]
    return lambda layer: (layer.weight[index], None if layer.bias is None else layer.bias[index])


def columns(which):
    """Columns of query (0), key (1) or value (2) in GPT-2's transposed matrix."""
    part = slice(which * WIDTH, (which + 1) * WIDTH)
    return lambda layer: (layer.weight[:, part].T, layer.bias[part])


def full_matrix(layer):
    """The full matrix of a separate projection."""
    return layer.weight, layer.bias


@dataclass
class Family:
    """How to build a model of one architecture, and how to compute its taps by hand."""

    make: Callable[[], Any]
    norm: Callable[..., Any] = rms
    norm_path: str = "input_layernorm"
    blocks: str = "layers"
    paths: tuple[str, str, str] = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    slices: tuple[Any, Any, Any] = (full_matrix, full_matrix, full_matrix)
    output: str = "self_attn.o_proj"
    # The feed-forward input, given the block, its input and the attention output; the layer itself.
    mlp_input: Callable[..., Any] = field(
        default=lambda block, x, a: rms(block.post_attention_layernorm, x + a)
    )
    mlp: Callable[..., Any] = field(default=gated(silu))
    extra_bias: tuple[str, str, str] = ("", "", "")

    def model(self, seed=0):
        """A random model; norms and biases are random too, so that omitting one is noticed."""
        torch.manual_seed(seed)
        model = self.make().float().eval()
        for name, parameter in model.named_parameters():
            around = 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0
            torch.nn.init.normal_(parameter, around, 0.2)
        return model

    def reference_taps(self, model, ids, block_number):
        """Every tap of one block of a full model, for one text without padding.

        Returns vectors ``(tokens, width)`` by kind, and the residual streams as the list "hidden".
        """
        model.set_attn_implementation("eager")
        with torch.no_grad():
            passed = model(
                input_ids=torch.as_tensor(ids)[None],
                output_hidden_states=True,
                output_attentions=True,
            )
            block = attrgetter(self.blocks)(model)[block_number]
            states = passed.hidden_states[block_number][0]
            norm = attrgetter(self.norm_path)(block) if self.norm_path else None
            read = self.norm(norm, states)
            vectors = {}
            for kind, path, take, extra in zip(
                ("query", "key", "value"), self.paths, self.slices, self.extra_bias, strict=True
            ):
                vectors[kind] = linear(read, *take(attrgetter(path)(block)))
                if extra:
                    vectors[kind] = vectors[kind] + attrgetter(extra)(block)
            weights = passed.attentions[block_number][0]  # (heads, tokens, tokens)
            heads = len(weights)
            size = vectors["query"].shape[1] // heads
            values = vectors["value"].unflatten(1, (-1, size)).transpose(0, 1)
            values = values.repeat_interleave(heads // len(values), dim=0)
            mixed = (weights @ values).transpose(0, 1).flatten(1)
            vectors["attention"] = project(attrgetter(self.output)(block), mixed)
            mlp_input = self.mlp_input(block, states, vectors["attention"])
            vectors["mlp"] = self.mlp(block, mlp_input)
            return vectors | {"hidden": [state[0] for state in passed.hidden_states]}
