"""Tiny random models of many architectures, and their vectors computed by hand from the weights.

Nothing here uses the package's own knowledge of where things are: each family says in its own
words which rows of which matrix make queries, keys and values.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import torch
import transformers
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
    """What keeps a norm from dividing by zero; it goes by two names."""
    return getattr(norm, "variance_epsilon", None) or norm.eps


def rms(norm, states):
    """LLaMA's norm."""
    return norm.weight * states / (states.square().mean(-1, keepdim=True) + epsilon(norm)).sqrt()


def gemma_rms(norm, states):
    """Gemma stores the norm's weight less one."""
    return (1 + norm.weight) * states / (states.square().mean(-1, keepdim=True) + norm.eps).sqrt()


def layer_norm(norm, states):
    """Subtract the mean, divide by the deviation."""
    return plain_layer_norm(states, norm.weight.shape, norm.weight, norm.bias, epsilon(norm))


def layer_norm_but_first(norm, states):
    """ModernBERT's first block has no norm; the embeddings were normed already."""
    return layer_norm(norm, states) if hasattr(norm, "weight") else states


def no_norm(_norm, states):
    """BERT's kin normalise after a block, not before."""
    return states


def apply(layer, states):
    """A linear layer's weight and bias; GPT-2 stores the transposed matrix."""
    if isinstance(layer, Conv1D):
        return states @ layer.weight + layer.bias
    return linear(states, layer.weight, layer.bias)


def gated(activation):
    """LLaMA's feed-forward: one projection gates the other."""

    def mlp(block, states):
        inner = block.mlp
        return apply(inner.down_proj, activation(apply(inner.gate_proj, states)) *
                     apply(inner.up_proj, states))  # fmt: skip

    return mlp


def tanh_gelu(states):
    """The approximation of GELU that GPT-2 uses."""
    return gelu(states, approximate="tanh")


def rows(first, count):
    """``count`` rows of a fused matrix, as a (weight, bias) of their own."""

    def take(layer):
        part = slice(first, first + count)
        return layer.weight[part], None if layer.bias is None else layer.bias[part]

    return take


def rows_by_head(which):
    """The rows of query (0), key (1) or value (2) where each head holds its three in a row."""
    size = WIDTH // HEADS
    index = [head * 3 * size + which * size + i for head in range(HEADS) for i in range(size)]
    return lambda layer: (layer.weight[index], None if layer.bias is None else layer.bias[index])


def columns(which):
    """One of the three in GPT-2's transposed matrix."""
    part = slice(which * WIDTH, (which + 1) * WIDTH)
    return lambda layer: (layer.weight[:, part].T, layer.bias[part])


def whole(layer):
    """A projection of its own."""
    return layer.weight, layer.bias


@dataclass
class Family:
    """How to make one architecture, and how to compute its taps by hand."""

    make: Callable[[], Any]
    norm: Callable[..., Any] = rms
    norm_path: str = "input_layernorm"
    blocks: str = "layers"
    paths: tuple[str, str, str] = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    slices: tuple[Any, Any, Any] = (whole, whole, whole)
    output: str = "self_attn.o_proj"
    # What the feed-forward reads, of the block, its input and the attention's output; what it does.
    mlp_input: Callable[..., Any] = field(
        default=lambda block, x, a: rms(block.post_attention_layernorm, x + a)
    )
    mlp: Callable[..., Any] = field(default=gated(silu))
    extra_bias: tuple[str, str, str] = ("", "", "")

    def model(self, seed=0):
        """A random model; norms and biases are random too, lest a forgotten one go unseen."""
        torch.manual_seed(seed)
        model = self.make().float().eval()
        for name, parameter in model.named_parameters():
            around = 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0
            torch.nn.init.normal_(parameter, around, 0.2)
        return model

    def by_hand(self, model, ids, block_number):
        """Every tap of one block of an uncut model, for one text without padding.

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
            vectors["attention"] = apply(attrgetter(self.output)(block), mixed)
            mlp_input = self.mlp_input(block, states, vectors["attention"])
            vectors["mlp"] = self.mlp(block, mlp_input)
            return vectors | {"hidden": [state[0] for state in passed.hidden_states]}


def bert_like(model_type, config_type, **options):
    """BERT and RoBERTa."""
    return Family(
        make=lambda: model_type(config_type(**BERT_SHAPE, **options)),
        norm=no_norm,
        norm_path="",
        blocks="encoder.layer",
        paths=tuple(f"attention.self.{name}" for name in ("query", "key", "value")),
        output="attention.output.dense",
        mlp_input=lambda block, x, a: layer_norm(block.attention.output.LayerNorm, x + a),
        mlp=lambda block, x: apply(block.output.dense, gelu(apply(block.intermediate.dense, x))),
    )


def deberta(model_type, config_type, **changes):
    """DeBERTa, both versions, with relative positions as the released ones have."""
    family = bert_like(model_type, config_type, relative_attention=True, pos_att_type=["c2p"])
    for name, value in changes.items():
        setattr(family, name, value)
    return family


def t5_norm_input(block, states, attention):
    """T5's feed-forward sub-layer has a norm of its own."""
    return rms(block.layer[1].layer_norm, states + attention)


t = transformers
SPLIT = WIDTH // HEADS * KV_HEADS

FAMILIES = {
    "llama": Family(make=lambda: t.LlamaModel(t.LlamaConfig(**LLAMA_SHAPE, head_dim=16))),
    "mistral": Family(
        make=lambda: t.MistralModel(t.MistralConfig(**LLAMA_SHAPE, sliding_window=None))
    ),
    "gemma": Family(
        make=lambda: t.GemmaModel(t.GemmaConfig(**LLAMA_SHAPE, head_dim=16)),
        norm=gemma_rms,
        mlp_input=lambda block, x, a: gemma_rms(block.post_attention_layernorm, x + a),
        mlp=gated(tanh_gelu),
    ),
    "gemma2": Family(
        make=lambda: t.Gemma2Model(t.Gemma2Config(**LLAMA_SHAPE, head_dim=8)),
        norm=gemma_rms,
        mlp_input=lambda block, x, a: gemma_rms(
            block.pre_feedforward_layernorm, x + gemma_rms(block.post_attention_layernorm, a)
        ),
        mlp=gated(tanh_gelu),
    ),
    "qwen2": Family(make=lambda: t.Qwen2Model(t.Qwen2Config(**LLAMA_SHAPE))),
    "qwen3": Family(make=lambda: t.Qwen3Model(t.Qwen3Config(**LLAMA_SHAPE, head_dim=16))),
    "phi": Family(
        make=lambda: t.PhiModel(t.PhiConfig(**LLAMA_SHAPE)),
        norm=layer_norm,
        output="self_attn.dense",
        mlp_input=lambda block, x, _: layer_norm(block.input_layernorm, x),
        mlp=lambda block, x: apply(block.mlp.fc2, tanh_gelu(apply(block.mlp.fc1, x))),
    ),
    "phi3": Family(
        make=lambda: t.Phi3Model(t.Phi3Config(**LLAMA_SHAPE)),
        paths=("self_attn.qkv_proj",) * 3,
        slices=(rows(0, WIDTH), rows(WIDTH, SPLIT), rows(WIDTH + SPLIT, SPLIT)),
        mlp=lambda block, x: apply(
            block.mlp.down_proj,
            silu(apply(block.mlp.gate_up_proj, x)[:, :INNER])
            * apply(block.mlp.gate_up_proj, x)[:, INNER:],
        ),
    ),
    "gpt2": Family(
        make=lambda: t.GPT2Model(
            t.GPT2Config(
                vocab_size=TOKENS, n_embd=WIDTH, n_layer=BLOCKS, n_head=HEADS, n_positions=64
            )
        ),
        norm=layer_norm,
        norm_path="ln_1",
        blocks="h",
        paths=("attn.c_attn",) * 3,
        slices=(columns(0), columns(1), columns(2)),
        output="attn.c_proj",
        mlp_input=lambda block, x, a: layer_norm(block.ln_2, x + a),
        mlp=lambda block, x: apply(block.mlp.c_proj, tanh_gelu(apply(block.mlp.c_fc, x))),
    ),
    "gpt_neox": Family(
        make=lambda: t.GPTNeoXModel(
            t.GPTNeoXConfig(
                **{k: v for k, v in LLAMA_SHAPE.items() if k != "num_key_value_heads"},
                use_parallel_residual=True,
            )
        ),
        norm=layer_norm,
        paths=("attention.query_key_value",) * 3,
        slices=(rows_by_head(0), rows_by_head(1), rows_by_head(2)),
        output="attention.dense",
        mlp_input=lambda block, x, _: layer_norm(block.post_attention_layernorm, x),
        mlp=lambda block, x: apply(
            block.mlp.dense_4h_to_h, gelu(apply(block.mlp.dense_h_to_4h, x))
        ),
    ),
    "bert": bert_like(t.BertModel, t.BertConfig),
    "roberta": bert_like(t.RobertaModel, t.RobertaConfig),
    "distilbert": Family(
        make=lambda: t.DistilBertModel(
            t.DistilBertConfig(
                vocab_size=TOKENS, dim=WIDTH, hidden_dim=INNER, n_layers=BLOCKS, n_heads=HEADS,
                max_position_embeddings=64,
            )
        ),
        norm=no_norm,
        norm_path="",
        blocks="transformer.layer",
        paths=tuple(f"attention.{name}" for name in ("q_lin", "k_lin", "v_lin")),
        output="attention.out_lin",
        mlp_input=lambda block, x, a: layer_norm(block.sa_layer_norm, x + a),
        mlp=lambda block, x: apply(block.ffn.lin2, gelu(apply(block.ffn.lin1, x))),
    ),
    "deberta": deberta(
        t.DebertaModel, t.DebertaConfig,
        paths=("attention.self.in_proj",) * 3,
        slices=(rows_by_head(0), rows_by_head(1), rows_by_head(2)),
        extra_bias=("attention.self.q_bias", "", "attention.self.v_bias"),
    ),
    "deberta_v2": deberta(
        t.DebertaV2Model, t.DebertaV2Config,
        paths=tuple(f"attention.self.{name}_proj" for name in ("query", "key", "value")),
    ),
    "modernbert": Family(
        make=lambda: t.ModernBertModel(
            t.ModernBertConfig(
                **BERT_SHAPE, cls_token_id=0, sep_token_id=0, bos_token_id=0, eos_token_id=0
            )
        ),
        norm=layer_norm_but_first,
        norm_path="attn_norm",
        paths=("attn.Wqkv",) * 3,
        slices=(rows(0, WIDTH), rows(WIDTH, WIDTH), rows(2 * WIDTH, WIDTH)),
        output="attn.Wo",
        mlp_input=lambda block, x, a: layer_norm(block.mlp_norm, x + a),
        mlp=lambda block, x: apply(
            block.mlp.Wo,
            gelu(apply(block.mlp.Wi, x)[:, :INNER]) * apply(block.mlp.Wi, x)[:, INNER:],
        ),
    ),
    "t5": Family(
        make=lambda: t.T5EncoderModel(
            t.T5Config(
                vocab_size=TOKENS, d_model=WIDTH, d_kv=16, d_ff=INNER, num_layers=BLOCKS,
                num_heads=HEADS,
            )
        ),
        norm_path="layer.0.layer_norm",
        blocks="encoder.block",
        paths=tuple(f"layer.0.SelfAttention.{name}" for name in "qkv"),
        output="layer.0.SelfAttention.o",
        mlp_input=t5_norm_input,
        mlp=lambda block, x: apply(
            block.layer[1].DenseReluDense.wo, apply(block.layer[1].DenseReluDense.wi, x).relu()
        ),
    ),
}  # fmt: skip
