"""Build a small knowledge graph: types, the entities of each, and the documents they occur in.

pip install networkx
python examples/knowledge_graph.py
"""

import networkx as nx

from ner_retriever_rag import Document, EntityIndex

DOCUMENTS = [
    Document("The Nile flows through Sudan and Egypt.", id="nile"),
    Document("The White Nile leaves Lake Victoria in Uganda.", id="white-nile"),
    Document("Lake Victoria lies in Uganda, Kenya and Tanzania.", id="victoria"),
    Document("Egypt built a dam on the Nile at Aswan.", id="dam"),
]
TYPES = ["river", "lake", "country"]


def build(index: EntityIndex, types: list[str], score_threshold: float) -> nx.DiGraph:
    """Add edges from each entity to its type ("is a") and its documents ("stands in")."""
    graph = nx.DiGraph()
    for row in index.extract(types, score_threshold=score_threshold):
        name = row.text.removeprefix("The ").removeprefix("the ")
        entity, kind, document = ("entity", name), ("type", row.type), ("document", row.doc_id)
        score = max(row.score, graph.get_edge_data(entity, kind, {}).get("score", 0.0))
        graph.add_edge(entity, kind, relation="is a", score=score)
        graph.add_edge(entity, document, relation="stands in")
    return graph


def together(graph: nx.DiGraph, name: str) -> set[str]:
    """Return the entities that occur in a document together with ``name``."""
    documents = [node for node in graph.successors(("entity", name)) if node[0] == "document"]
    return {other for node in documents for _, other in graph.predecessors(node)} - {name}


def main() -> dict[str, object]:
    """Build the graph and query it in three ways."""
    index = EntityIndex()
    index.add(DOCUMENTS)
    graph = build(index, TYPES, score_threshold=0.1)
    of_type = {
        kind: sorted(name for _, name in graph.predecessors(("type", kind)))
        for kind in TYPES
        if ("type", kind) in graph
    }
    documents = [node for node in graph if node[0] == "document"]
    return {
        "graph": graph,
        "of each type": of_type,
        "with the Nile": sorted(together(graph, "Nile")),
        "most mentions": max(documents, key=graph.in_degree)[1],
    }


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name}: {value}")
