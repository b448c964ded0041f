"""Extract every mention of some types from an index, as rows of a table.

python examples/extract_rows.py

The same on the command line: ner-retriever extract FOLDER --type river --type lake --out rows.csv
"""

import csv
import sys

from ner_retriever_rag import Document, EntityIndex

DOCUMENTS = [
    Document("The Nile flows through Sudan and Egypt.", id="nile"),
    Document("The Rhine leaves Lake Constance near Stein.", id="rhine"),
]
FIELDS = ["type", "text", "doc_id", "start", "end", "score"]


def main() -> list[dict[str, object]]:
    """Return the rows; each mention is listed under the type it fits best."""
    index = EntityIndex()
    index.add(DOCUMENTS)
    mentions = index.extract(["river", "lake", "country"], score_threshold=0.1)
    return [{name: getattr(each, name) for name in FIELDS} for each in mentions]


if __name__ == "__main__":
    writer = csv.DictWriter(sys.stdout, FIELDS)
    writer.writeheader()
    writer.writerows(main())
