"""A Chroma server for tests that can be killed and restarted."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import chromadb


class ChromaServer:
    """``chroma run`` on the loopback interface.

    Args:
        folder: Data directory of the server.
    """

    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address, self._folder, self._process = f"http://127.0.0.1:{self.port}", folder, None
        self._log = folder.with_name(f"{folder.name}.log").open("ab")

    def start(self):
        command = [Path(sys.executable).with_name("chroma"), "run", "--port", str(self.port)]
        command += ["--host", "127.0.0.1", "--path", self._folder]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)

    def kill(self):
        self._process.kill()
        self._process.wait()

    def client(self):
        """Wait until the server answers and return a client."""
        for _ in range(1_200):
            try:
                return chromadb.HttpClient("127.0.0.1", self.port)
            except ValueError:
                assert self._process.poll() is None, f"the server stopped: see {self._log.name}"
                time.sleep(0.1)
        raise AssertionError(f"the server did not start: see {self._log.name}")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        self._log.close()
