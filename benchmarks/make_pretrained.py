"""Build the encoder that ships with the package: complete, with its backbone, at most 64 MB.

python benchmarks/make_pretrained.py ENCODER ner_retriever_rag/encoder/pretrained

ENCODER is the output of ``ner-retriever train adapt``, ``detector`` and ``calibrate``, or any saved
encoder. Deltas are merged, weights become float16 and word embeddings int8; then the vectors of
both encoders are compared by cosine, on the bundled sample. Other files in the folder (README.md,
NOTICE) are left unchanged.
"""

import argparse
import json
import time
from importlib.resources import files
from pathlib import Path

import numpy as np

from ner_retriever_rag import TypeAwareEncoder

LIMIT = 64_000_000
SAMPLE = files("ner_retriever_rag") / "cli" / "simple-wikipedia-sample.jsonl"
TYPES = ["river", "programming language", "film director", "dinosaur", "award"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("encoder", type=Path, help="folder of a saved encoder")
    parser.add_argument("out", type=Path, help="folder to write to")
    options = parser.parse_args()
    before = TypeAwareEncoder.from_pretrained(options.encoder, dtype="float32")
    before.save_pretrained(options.out, backbone=True)

    started = time.perf_counter()
    after = TypeAwareEncoder.from_pretrained(options.out, dtype="float32")
    _ = after.backbone
    print(f"loaded again in {time.perf_counter() - started:.2f} s: {after.description}")
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()[:200]
    texts = [json.loads(line)["text"] for line in lines]
    old = before.encode(texts)
    new = after.encode(texts, [[(m.start, m.end) for m in one.mentions] for one in old])
    vectors, texts_, types = (
        (np.concatenate([e.vectors for e in old]) * np.concatenate([e.vectors for e in new])).sum(
            1
        ),
        np.array(
            [one.text_vector @ other.text_vector for one, other in zip(old, new, strict=True)]
        ),
        (before.encode_types(TYPES) * after.encode_types(TYPES)).sum(1),
    )
    for name, cosines in (("mentions", vectors), ("texts", texts_), ("types", types)):
        print(
            f"cosine before and after, {name}: mean {cosines.mean():.5f}, least {cosines.min():.5f}"
        )

    sizes = {path: path.stat().st_size for path in options.out.rglob("*") if path.is_file()}
    for path, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"{size:>12,} {path.relative_to(options.out)}")
    total = sum(sizes.values())
    print(f"{total:>12,} in total; fingerprint {after.fingerprint}")
    if total > LIMIT:
        raise SystemExit(f"more than {LIMIT:,} bytes")


if __name__ == "__main__":
    main()
