"""Make the dictionaries of terms that the pair model is trained on, from two packages' data.

pip install mimesis drug-named-entity-recognition
python benchmarks/make_dictionaries.py OUT.json [--wordnet /usr/share/wordnet]

mimesis (MIT) lists occupations, fruits, vegetables and spices; drug-named-entity-recognition (MIT)
lists drugs with their trade names, after DrugBank's open data (CC0), MeSH, MedlinePlus and
Wikipedia. Only drug names of one long word are kept, and none that WordNet knows as a noun ("gold",
"alcohol"): these seldom mean the drug.
"""

import argparse
import bz2
import json
import pickle
from importlib.util import find_spec
from pathlib import Path

from ner_retriever_rag.training.wordnet import WordNet

LISTS = {
    "occupation | job title | profession": ("person", "occupation"),
    "fruit": ("food", "fruits"),
    "vegetable": ("food", "vegetables"),
    "spice | seasoning": ("food", "spices"),
}
DRUGS = "drug | medication | medicine"
SHORTEST = 7  # letters of a drug's name


def package(name: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{name} is not installed; see --help")
    return Path(spec.origin).parent


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    args = parser.parse_args()
    data = package("mimesis") / "datasets" / "en"
    terms = {
        names: sorted(json.loads((data / f"{file}.json").read_text(encoding="utf-8"))[key])
        for names, (file, key) in LISTS.items()
    }
    known = WordNet(args.wordnet).senses
    packed = package("drug_named_entity_recognition") / "drug_ner_dictionary.pkl.bz2"
    with bz2.open(packed) as file:
        variants = pickle.load(file)["drug_variant_to_canonical"]
    terms[DRUGS] = sorted(
        each for each in variants
        if len(each) >= SHORTEST and each.isalpha() and each.lower() not in known
    )  # fmt: skip
    args.out.write_text(json.dumps(terms, indent=0, ensure_ascii=False), encoding="utf-8")
    for names, some in terms.items():
        print(f"{names}: {len(some):,} terms")


if __name__ == "__main__":
    main()
