"""Index documents and retrieve by type in Haystack pipelines.

pip install "ner-retriever-rag[haystack]"
python examples/haystack_pipeline.py
"""

from haystack import Document, Pipeline
from haystack.components.builders import PromptBuilder
from haystack.components.writers import DocumentWriter

from ner_retriever_rag.haystack import EntityDocumentStore, NERTypeRetriever

DOCUMENTS = [
    Document(content="Queen formed in London and toured with Mott the Hoople.", id="queen"),
    Document(content="The Thames runs through London to the North Sea.", id="thames"),
    Document(content="Mayhem made a name for themselves in Oslo's clubs.", id="mayhem"),
]
PROMPT = """Which {{ type }} came from where?
{% for document in documents %}
- {{ document.content }} [{{ document.meta.matches | map(attribute="text") | join(", ") }}]
{%- endfor %}
"""


def main() -> dict[str, object]:
    """Write documents with one pipeline; retrieve some and build a prompt with another."""
    store = EntityDocumentStore()  # EntityDocumentStore("my-index") keeps it in a folder
    writing = Pipeline()
    writing.add_component("writer", DocumentWriter(store))
    written = writing.run({"writer": {"documents": DOCUMENTS}})

    asking = Pipeline()
    asking.add_component("retriever", NERTypeRetriever(store, top_k=2))
    asking.add_component("prompt", PromptBuilder(PROMPT, required_variables="*"))
    asking.connect("retriever.documents", "prompt.documents")
    result = asking.run(
        {"retriever": {"query": "rock band"}, "prompt": {"type": "rock band"}},
        include_outputs_from={"retriever"},
    )
    return {
        "written": written["writer"]["documents_written"],
        "found": [each.id for each in result["retriever"]["documents"]],
        "prompt": result["prompt"]["prompt"],
    }


if __name__ == "__main__":
    print(main()["prompt"])
