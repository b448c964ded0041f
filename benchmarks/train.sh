#!/bin/sh
# Train the shipped weights, from raw text to safetensors; five to six hours on two cores.
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

# The adapted encoder, in the same four phases as the shipped one: each resumes from the previous checkpoint
# and decays its learning rate to zero again. After Ctrl-C, the same command resumes where it stopped.
adapt() {
    ner-retriever train adapt "$work/mined" --out "$work/adapted" --work "$work/adapt-run" \
        $dev $names "$@"
}
adapt --steps 1150 --text-weight 6 --loose 0
adapt --steps 2300 --text-weight 6 --loose 0 $wordnet
adapt --steps 3300 --loose 0 $wordnet
adapt --steps 4300 $wordnet

# Then full-rank deltas to every linear layer at a low learning rate, interpolated with the starting weights.
ner-retriever train adapt "$work/mined" --start "$work/adapted" --out "$work/whole" \
    --work "$work/whole-run" $dev $names $wordnet --rank 0 --first-block 0 --learning-rate 1.5e-4 \
    --steps 3600 --types 320 --text-weight 6 --text-share 0.125 --share 0.5
# The detector learns mention boundaries from many guidelines and from the names found by mining.
sparse=booking,multiwoz,banking,reviews,musicrec,tweebank,crisis,ewt,pud,wikirel,pii,receipts
sparse=$sparse,contracts,kpi,products,cyber,neurotrial,ncbidisease,genia,anatomy,biodiv,fairagro
sparse=$sparse,geology,quantities,civilwar,oldtrade,stackoverflow,mulms,btc,assistant,annoctr
three=wnut17,bc5cdr,bionlp13cg
seven=stackoverflow,tasteset,wlp,mulms,btc,assistant,annoctr
ner-retriever train detector --mined "$work/mined" --sets "$data/training" \
    --sets "$seven@$data/domains" --sets "$three@$data/boundaries" --sparse "$sparse,$three" \
    --adaptation "$work/whole/adaptation.safetensors" --out "$work/whole" $dev \
    --silver-sentences 9000 --per-text 4.8 --epochs 3.2
ner-retriever train prototypes "$work/whole" "$work/mined"
ner-retriever train calibrate "$work/whole" "$work/mined" $wordnet
ner-retriever train names "$work/mined" --encoder "$work/whole"
# The head also learns labels of other domains; vectors stored in its space are mapped along.
ner-retriever train labels "$work/mined" --sets "$data/training" --encoder "$work/whole" \
    --out "$work/labels" --cache "$work/features"
ner-retriever train calibrate "$work/labels" "$work/mined" $wordnet

# The pair model reranks candidates. The shipped one started with this command at commit 644dd97, which trained on
# domain labels, definitions and word senses only, and was continued below. Roles, terms of dictionaries (of the
# packages mimesis and drug-named-entity-recognition) and second wordings came later, see results/training.md.
[ -e "$work/dictionaries.json" ] ||
    python benchmarks/make_dictionaries.py "$work/dictionaries.json" $wordnet
ner-retriever train pair-model "$work/labels" "$work/mined" --sets "$data/training" --sparse "$sparse" $wordnet \
    --development "skillspan,court,maintie,earnings,psytar,litbank,re3d@$data/domains" \
    --manuals /usr/share/doc --dictionaries "$work/dictionaries.json" --steps 2000 --work "$work/pair-run"

# One more phase trains backbone, head and detector jointly. The pair model is rebased so that its scores stay
# the same; everything stored in the vector space is rebuilt. The shipped weights are of this command at commit
# f945f2b, before hard negatives, paraphrases and paragraphs; results/training.md has what these gain.
ner-retriever train joint "$work/mined" --sets "$data/training" --boundaries "$seven@$data/domains" \
    --boundaries "$three@$data/boundaries" --sparse "$sparse,$three" $wordnet \
    --articles "$data/wikipedia/enwiki-core.jsonl.xz" --teacher sentence-transformers/all-MiniLM-L6-v2 \
    --encoder "$work/labels" --out "$work/joint" --work "$work/joint-run"
ner-retriever train prototypes "$work/joint" "$work/mined"
ner-retriever train calibrate "$work/joint" "$work/mined" $wordnet
ner-retriever train names "$work/mined" --encoder "$work/joint"
# Rankings are those of the encoder whose candidates are reranked, so the pair model is continued with it (shipped:
# as at commit b4757c3, but flags were not among the negatives of environment variables).
ner-retriever train pair-model "$work/joint" "$work/mined" --sets "$data/training" --sparse "$sparse" $wordnet \
    --development "skillspan,court,maintie,earnings,psytar,litbank,re3d@$data/domains" \
    --manuals /usr/share/doc --steps 1600 --continue --work "$work/pair-further-run"
