"""Tiny random models of many architectures."""

import transformers
from reference_models import (
    BERT_SHAPE,
    BLOCKS,
    HEADS,
    INNER,
    KV_HEADS,
    LLAMA_SHAPE,
    TOKENS,
    WIDTH,
    Family,
    columns,
    gated,
    gemma_rms,
    layer_norm,
    layer_norm_but_first,
    no_norm,
    project,
    rms,
    rows,
    rows_by_head,
    tanh_gelu,
)
from torch.nn.functional import gelu, silu


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
        mlp=lambda block, x: project(
            block.output.dense, gelu(project(block.intermediate.dense, x))
        ),
    )


def deberta(model_type, config_type, **changes):
    """Both versions of DeBERTa, with relative positions as in the released models."""
    family = bert_like(model_type, config_type, relative_attention=True, pos_att_type=["c2p"])
    for name, value in changes.items():
        setattr(family, name, value)
    return family


def t5_norm_input(block, states, attention):
    """Input of T5's feed-forward sub-layer, which has its own norm."""
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
        mlp=lambda block, x: project(block.mlp.fc2, tanh_gelu(project(block.mlp.fc1, x))),
    ),
    "phi3": Family(
        make=lambda: t.Phi3Model(t.Phi3Config(**LLAMA_SHAPE)),
        paths=("self_attn.qkv_proj",) * 3,
        slices=(rows(0, WIDTH), rows(WIDTH, SPLIT), rows(WIDTH + SPLIT, SPLIT)),
        mlp=lambda block, x: project(
            block.mlp.down_proj,
            silu(project(block.mlp.gate_up_proj, x)[:, :INNER])
            * project(block.mlp.gate_up_proj, x)[:, INNER:],
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
        mlp=lambda block, x: project(block.mlp.c_proj, tanh_gelu(project(block.mlp.c_fc, x))),
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
        mlp=lambda block, x: project(
            block.mlp.dense_4h_to_h, gelu(project(block.mlp.dense_h_to_4h, x))
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
        mlp=lambda block, x: project(block.ffn.lin2, gelu(project(block.ffn.lin1, x))),
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
        mlp=lambda block, x: project(
            block.mlp.Wo,
            gelu(project(block.mlp.Wi, x)[:, :INNER]) * project(block.mlp.Wi, x)[:, INNER:],
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
        mlp=lambda block, x: project(
            block.layer[1].DenseReluDense.wo, project(block.layer[1].DenseReluDense.wi, x).relu()
        ),
    ),
}  # fmt: skip
