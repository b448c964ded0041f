#!/bin/sh
# Index and search 50,000 articles of Simple English Wikipedia from the command line: time, disk use, answers.
# Usage: benchmarks/simple_wikipedia.sh [DATA] [INDEX]
set -eu
data=${1:-../shared/data}
index=${2:-.cache/simple-wikipedia}

time -p ner-retriever index "$data/wikipedia/simple.jsonl.xz" --index "$index" --limit 50000 --dtype bfloat16
ner-retriever stats "$index"
names() { # the documents found, sorted
    ner-retriever search "$index" "$@" --json | sed 's/, "score".*//' | sort
}
for type in dinosaur volcano "Norwegian black metal band" lighthouse "programming language"; do
    ner-retriever search "$index" "$type"
    # How many of the top ten are also in the top ten of an exact search?
    names "$type" > "$index.near"
    names "$type" --exact > "$index.exact"
    echo "$type: $(comm -12 "$index.near" "$index.exact" | wc -l) of 10 are those of brute force"
done
rm -f "$index.near" "$index.exact"
