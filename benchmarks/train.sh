#!/bin/sh
# How the shipped weights were made, from text to safetensors; three to four hours on two cores.
# Usage: benchmarks/train.sh [DATA] [WORK]     (needs the extra [train], and WordNet's
# noun files: Debian's wordnet-base, or WORDNET=folder)
set -eu
data=${1:-../shared/data}
work=${2:-.cache/training}
dev="--development $data/fewnerd/inter-dev.jsonl"
wordnet="--wordnet ${WORDNET:-/usr/share/wordnet}"
names="--names $data/fewnerd/type-names.json"

[ -e "$work/mined/report.md" ] || ner-retriever train mine \
    "$data/wikipedia/enwiki-core.jsonl.xz" "$data/wikipedia/enwiki-intros.jsonl.xz" \
    "$data/wikipedia/enwiki-slice.jsonl.xz" "$data/wikipedia/simple.jsonl.xz" \
    --out "$work/mined" --held-out "$data/fewnerd/inter-train-sample.jsonl" \
    --held-out "$data/fewnerd/inter-dev.jsonl" --held-out "$data/fewnerd/inter-test.jsonl"

# The adapted encoder, in the five legs of the shipped one: each goes on from the last, its rate falls to
# zero anew. Ctrl-C and the same line again goes on where it stopped. The first four were run by the
# code of commit b53c701, which drew smaller batches (see results/training.md).
adapt() {
    ner-retriever train adapt "$work/mined" --out "$work/adapted" $dev $names "$@"
}
adapt --work "$work/adapt-run" --steps 1150 --text-weight 6 --loose 0
adapt --work "$work/adapt-run" --steps 2300 --text-weight 6 --loose 0 $wordnet
adapt --work "$work/adapt-run" --steps 3300 --loose 0 $wordnet
adapt --work "$work/adapt-run" --steps 4300 $wordnet
adapt --work "$work/adapt-run-2" --steps 2800 --start "$work/adapted" $wordnet
ner-retriever train detector "$data"/boundaries/*.jsonl --mined "$work/mined" \
    --adaptation "$work/adapted/adaptation.safetensors" --out "$work/adapted" $dev \
    --silver-sentences 20000 --per-text 3.3 --epochs 3
ner-retriever train calibrate "$work/adapted" "$work/mined" $wordnet
ner-retriever train names "$work/mined" --encoder "$work/adapted"
