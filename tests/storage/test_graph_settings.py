"""Settings of the mentions' graph: Chroma graphs with few links crash the process on deletes."""

import pytest

pytestmark = pytest.mark.slow

CHURN = """
import sys
import chromadb
import numpy as np
from ner_retriever_rag.storage import chroma

client = chromadb.PersistentClient(sys.argv[1])
manifest = {chroma.FORMAT_KEY: chroma.FORMAT}
_, mentions = chroma.open_collections(client, "churn", manifest, bool)
ids = [f"m{n}" for n in range(1_200)]
vectors = np.random.default_rng(0).standard_normal((1_200, 16)).astype(np.float32)
for _ in range(3):
    mentions.upsert(ids=ids, embeddings=vectors)
    mentions.delete(ids=ids)
    mentions.upsert(ids=ids[:512], embeddings=vectors[:512])
    assert mentions.count() == 512
    mentions.get(limit=5, include=["embeddings"])
print("whole")
"""


def test_mentions_can_be_deleted_and_written_again(start, tmp_path):
    process = start(CHURN, tmp_path)
    out, err = process.communicate()
    assert (process.returncode, out.strip()) == (0, "whole"), err
