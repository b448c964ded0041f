"""A model truncated at value@17 against the full model with a hook: load, encode, peak memory.

python benchmarks/cut_loading.py                                     # fits on a laptop
python benchmarks/cut_loading.py --shape llama-3.1-8b --device cuda  # the real shape, 16 GB on disk

Weights are random, written once in bfloat16. The full model is what the paper's authors run:
AutoModelForCausalLM and a forward hook on layers[17].self_attn.v_proj. Both get the same texts,
sorted by length, in batches sized to the free memory, so that truncation is the only difference.
Every measurement runs in its own process; the two alternate, and the best of each counts.
Processor time (of the whole process except its imports) is reported because the machine may be
busy with other work.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

BLOCK = 17
TAP = f"value@{BLOCK}"
SAMPLE = Path(__file__).parents[1] / "ner_retriever_rag" / "cli" / "simple-wikipedia-sample.jsonl"
RESULTS = Path(__file__).parent / "results" / "cut-loading.md"

LLAMA_8B = {
    "vocab_size": 128_256, "hidden_size": 4096, "intermediate_size": 14_336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
}  # fmt: skip
SHAPES = {
    "llama-3.1-8b": LLAMA_8B,
    # Narrower; embeddings, attention and feed-forward have about the same shares.
    "llama-1b": LLAMA_8B | {
        "vocab_size": 48_000, "hidden_size": 1536, "intermediate_size": 5376,
        "num_attention_heads": 12, "num_key_value_heads": 3,
    },
}  # fmt: skip

STARTED = 0.0

# Dense bfloat16 peak by GPU name, in FLOP/s.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40": 181e12, "4090": 165e12}


def sample_texts(count: int) -> list[str]:
    """Sentences of the bundled sample."""
    rows = [json.loads(line)["text"] for line in SAMPLE.open(encoding="utf-8")]
    sentences = [s for text in rows for s in text.split(". ") if 40 < len(s) < 300]
    return (sentences * (count // len(sentences) + 1))[:count]


def make_checkpoint(folder: Path, shape: str) -> None:
    """Random weights of a shape, and a byte-level tokenizer trained on the sample."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=8000, special_tokens=["<|end|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(sample_texts(10_000), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>"
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(**SHAPES[shape], tie_word_embeddings=False, dtype="bfloat16")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        torch.set_default_dtype(torch.bfloat16)
        model = LlamaForCausalLM(config)  # transformers draws the weights
        torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder, max_shard_size="1GB")


def import_all() -> None:
    """Import what both need, and record the processor time at which measurement starts."""
    global STARTED
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401

    import ner_retriever_rag.encoder.backbone.backbone  # noqa: F401

    STARTED = time.process_time()


def peak_memory(device: str) -> int:
    """Peak bytes: on the GPU, or resident memory of the process, mapped files included."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    # Not getrusage: its maximum starts at that of the parent process.
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024


def measure_whole(folder: str, texts: list[str], device: str, window: int) -> dict[str, float]:
    """The full language model with a hook on its value projection."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from ner_retriever_rag.encoder.backbone.memory import batch_tokens, in_halves

    begin = time.perf_counter()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).to(device).eval()
    seen: list[torch.Tensor] = []
    projection = model.model.layers[BLOCK].self_attn.v_proj
    projection.register_forward_hook(lambda _m, _a, output: seen.append(output.float().cpu()))
    loaded = time.perf_counter()
    budget = batch_tokens(model, torch.device(device), window)
    ids = sorted(tokenizer(texts, truncation=True, max_length=window)["input_ids"], key=len)
    tokens = sum(map(len, ids))

    def forward(some: list[list[int]]) -> None:
        batch = tokenizer.pad({"input_ids": some}, return_tensors="pt").to(device)
        with torch.inference_mode():
            model(**batch, use_cache=False)

    while ids:
        count = max(1, budget // len(ids[-1]))
        for _ in in_halves(forward, ids[-count:]):
            pass
        del ids[-count:]
    return figures(begin, loaded, len(texts), tokens, device)


def measure_cut(folder: str, texts: list[str], device: str, window: int) -> dict[str, float]:
    """Our truncated backbone."""
    from ner_retriever_rag.encoder.backbone.backbone import Backbone

    begin = time.perf_counter()
    backbone = Backbone(folder, TAP, device=device, dtype="bfloat16", window=window)
    loaded = time.perf_counter()
    tokens = sum(len(states) for states in backbone.read(texts))
    found = figures(begin, loaded, len(texts), tokens, device)
    if device == "cuda":
        blocks = backbone.model.get_submodule("layers")
        weights = sum(parameter.numel() for parameter in blocks.parameters())
        found["operations a second"] = 2 * weights * tokens / found["encode"]
    return found


def figures(
    begin: float, loaded: float, texts: int, tokens: int, device: str
) -> dict[str, float]:  # fmt: skip
    """Seconds to load and to encode, texts per second, peak bytes."""
    encode = time.perf_counter() - loaded
    return {
        "load": loaded - begin,
        "encode": encode,
        "load and encode": encode + loaded - begin,
        "processor time": time.process_time() - STARTED,
        "texts a second": texts / encode,
        "tokens": tokens,
        "peak": peak_memory(device),
    }


MEASURES = {"whole": measure_whole, "cut": measure_cut}


def measured(which: str, folder: str, options: argparse.Namespace) -> dict[str, float]:
    """One measurement in its own process."""
    command = [
        sys.executable, __file__, "--measure", which, "--folder", folder,
        "--texts", str(options.texts), "--device", options.device,
    ]  # fmt: skip
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def report(
    best: dict[str, dict[str, float]], options: argparse.Namespace, tokens: int, where: str
) -> str:
    """The results as Markdown."""
    whole, cut = best["whole"], best["cut"]
    gib = 2**30
    lines = [
        f"| | whole model, hook | cut at {TAP} | ratio |",
        "|---|---|---|---|",
        *(
            f"| {name}, s | {whole[name]:.1f} | {cut[name]:.1f} | {cut[name] / whole[name]:.2f} |"
            for name in ("load", "encode", "load and encode", "processor time")
        ),
        f"| texts a second | {whole['texts a second']:.2f} | {cut['texts a second']:.2f} | |",
        f"| peak memory, GiB | {whole['peak'] / gib:.2f} | {cut['peak'] / gib:.2f} | "
        f"{cut['peak'] / whole['peak']:.2f} |",
    ]
    shape = SHAPES[options.shape]
    page = [
        f"### {options.shape}, {options.device}",
        "",
        f"{shape['num_hidden_layers']} blocks, {shape['hidden_size']} wide, vocabulary "
        f"{shape['vocab_size']:,}, bfloat16; {options.texts} texts of {tokens / options.texts:.0f} "
        f"tokens; {where}; best of {options.repeats}, alternating.",
        "",
        *lines,
    ]
    if speed := cut.get("operations a second"):
        peak = next((peak for name, peak in PEAKS.items() if name in where), None)
        share = f", {speed / peak:.0%} of the card's {peak / 1e12:.0f}" if peak else ""
        page += ["", f"The cut model computes {speed / 1e12:.0f} TFLOP/s{share}."]
    return "\n".join(page) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", choices=SHAPES, default="llama-1b")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--texts", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--folder", help="checkpoint, created if missing; temporary by default")
    parser.add_argument("--out", type=Path, help=f"Markdown to append to, such as {RESULTS.name}")
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        texts = sample_texts(options.texts)
        import_all()
        config = json.loads((Path(options.folder) / "config.json").read_text())
        window = min(512, config["max_position_embeddings"])
        found = MEASURES[options.measure](options.folder, texts, options.device, window)
        print(json.dumps(found))
        return
    with TemporaryDirectory() as temporary:
        folder = options.folder or temporary
        if not (Path(folder) / "config.json").exists():
            make_checkpoint(Path(folder), options.shape)
        best: dict[str, dict[str, float]] = {}
        for turn in range(options.repeats):
            for which in MEASURES:
                found = measured(which, folder, options)
                print(turn, which, {k: round(v, 2) for k, v in found.items()}, flush=True)
                keep = best.setdefault(which, found)
                for name, value in found.items():
                    better = max if "a second" in name else min
                    keep[name] = better(keep[name], value)
                keep["load and encode"] = keep["load"] + keep["encode"]
    cuda = options.device == "cuda"
    where = torch.cuda.get_device_name() if cuda else f"CPU, {torch.get_num_threads()} thread(s)"
    page = report(best, options, int(best["cut"]["tokens"]), where)
    print(page)
    if options.out:
        with options.out.open("a", encoding="utf-8") as out:
            out.write("\n" + page)


if __name__ == "__main__":
    main()
