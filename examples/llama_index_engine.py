"""Retrieval by entity type in LlamaIndex. Runs offline with a mock language model.

python examples/llama_index_engine.py
"""

from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms.mock import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.schema import Document
from llama_index.core.vector_stores import ExactMatchFilter, MetadataFilters

from ner_retriever_rag.llama_index import (
    EntityTypePostprocessor,
    EntityTypeTagger,
    NERTypeRetriever,
)

DOCUMENTS = [
    Document(text="Stegosaurus had plates along its back.", metadata={"shelf": "animals"}),
    Document(text="The Nile flows north through Sudan and Egypt.", metadata={"shelf": "places"}),
    Document(text="Lake Victoria is the source of the White Nile.", metadata={"shelf": "places"}),
    Document(text="Metallica formed in Los Angeles in 1981.", metadata={"shelf": "music"}),
]


def main() -> dict[str, object]:
    """Retrieve, answer, filter, rerank another retriever's nodes, and tag nodes."""
    splitter = SentenceSplitter(chunk_size=128, chunk_overlap=0)
    nodes = IngestionPipeline(transformations=[splitter]).run(documents=DOCUMENTS)
    retriever = NERTypeRetriever.from_defaults(nodes=nodes, similarity_top_k=2)
    found = retriever.retrieve("dinosaur")[0]

    synthesizer = get_response_synthesizer(llm=MockLLM())
    engine = RetrieverQueryEngine(retriever=retriever, response_synthesizer=synthesizer)

    places = MetadataFilters(filters=[ExactMatchFilter(key="shelf", value="places")])
    among_places = NERTypeRetriever(retriever.index, similarity_top_k=9, filters=places)

    everything = NERTypeRetriever(retriever.index, similarity_top_k=9).retrieve("thing")
    ranked = EntityTypePostprocessor(entity_type="lake", top_n=1).postprocess_nodes(everything)
    tagged = EntityTypeTagger(entity_types=["river", "lake"], threshold=0.2)(nodes)
    return {
        "found": (found.text, found.matches[0]["text"]),
        "sources": [each.text for each in engine.query("music band").source_nodes],
        "filtered": sorted(each.metadata["shelf"] for each in among_places.retrieve("river")),
        "ranked": ranked[0].text,
        "tagged": [node.metadata for node in tagged],
    }


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name}: {value}")
