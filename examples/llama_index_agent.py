"""A LlamaIndex agent that finds nodes by entity type. Runs offline with a scripted model.

python examples/llama_index_agent.py
"""

import asyncio

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.schema import TextNode

from ner_retriever_rag.llama_index import NERTypeRetriever, create_entity_type_tool

TEXTS = [
    "Stegosaurus had plates along its back and lived in the late Jurassic.",
    "The Nile flows north through Sudan and Egypt.",
    "Metallica formed in Los Angeles in 1981.",
    "Triceratops had three horns on its skull.",
]


def scripted(*blocks: TextBlock | ToolCallBlock) -> MockFunctionCallingLLM:
    """Return a model that responds with these blocks in turn, in place of a real one."""
    left = iter(blocks)
    return MockFunctionCallingLLM(
        response_generator=lambda messages, **_: ChatMessage(role="assistant", blocks=[next(left)]),
        is_chat_model=True,
    )


def main() -> dict[str, object]:
    """Let the agent look for dinosaurs, then answer."""
    retriever = NERTypeRetriever.from_defaults(nodes=[TextNode(text=text) for text in TEXTS])
    tool = create_entity_type_tool(
        retriever, description="Finds notes of the museum that mention entities of a kind."
    )
    arguments = {"type": "dinosaur", "k": 2}
    llm = scripted(
        ToolCallBlock(tool_call_id="1", tool_name=tool.metadata.name, tool_kwargs=arguments),
        TextBlock(text="Two: Stegosaurus and Triceratops."),
    )

    async def ask():
        agent = FunctionAgent(tools=[tool], llm=llm, streaming=False)
        return await agent.run("Which dinosaurs are in our notes?")

    response = asyncio.run(ask())
    output = response.tool_calls[0].tool_output
    return {
        "what the model read": output.content,
        "nodes": [each.text for each in output.raw_output],
        "answer": str(response),
    }


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name}:\n{value}\n")
