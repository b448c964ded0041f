"""Indexes of hashes, and the scripts that other processes run."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import chromadb
import pytest
from hashed import HashedEncoder

TESTS = Path(__file__).parents[1]


@pytest.fixture
def encoder():
    return HashedEncoder()


@pytest.fixture
def start():
    """Start a script in another process, with this package and the tests' modules to import."""
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
    """A client of a Chroma server on the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [Path(sys.executable).with_name("chroma"), "run", "--port", str(port)]
    command += ["--host", "127.0.0.1", "--path", tmp_path_factory.mktemp("server")]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
    try:
        for _ in range(300):
            try:
                client = chromadb.HttpClient("127.0.0.1", port)
                break
            except ValueError:
                assert process.poll() is None, "the Chroma server stopped"
                time.sleep(0.1)
        else:
            pytest.fail("the Chroma server did not start")
        yield client
    finally:
        process.terminate()
        process.wait()
