"""A local Ray cluster and two Chroma servers."""

import os
import sys
from pathlib import Path

import pytest
from chroma_server import ChromaServer

TESTS = Path(__file__).parents[1], Path(__file__).parents[2]  # import path of Ray's processes


@pytest.fixture(scope="module")
def ray():
    """A local cluster."""
    ray = pytest.importorskip("ray", reason="needs ray: pip install 'ner-retriever-rag[ray]'")
    pytest.importorskip("ray.data", reason="needs ray[data]")
    ray.init(
        num_cpus=3,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=128 * 2**20,
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join([*map(str, TESTS), *sys.path])}},
    )
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    with (
        ChromaServer(tmp_path_factory.mktemp("one")) as one,
        ChromaServer(tmp_path_factory.mktemp("two")) as two,
    ):
        one.client(), two.client()
        yield [one.address, two.address]
