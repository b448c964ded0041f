"""The hashed encoder, scripts that run in other processes, and a Chroma server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from chroma_server import ChromaServer
from hashed import HashedEncoder

TESTS = Path(__file__).parents[0]


@pytest.fixture
def encoder():
    return HashedEncoder()


@pytest.fixture
def start():
    """Start a script in another process that can import this package and the test modules."""
    started = []

    def run(script, *arguments):
        path = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
        process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A client of a Chroma server on the loopback interface."""
    with ChromaServer(tmp_path_factory.mktemp("server")) as server:
        yield server.client()
