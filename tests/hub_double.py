"""A stand-in for the Hugging Face Hub on the loopback interface: the part that pushing needs."""

import base64
import json
import threading
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_the_tests"


class HubDouble:
    """Repositories in memory.

    Attributes:
        commits: Files of every commit by repository, oldest first: ``{sha: {path: bytes}}``.
        private: Names of the repositories that are readable only with the token.
        address: Base URL while ``running``.
    """

    def __init__(self):
        self.commits, self.private, self.address = {}, set(), ""

    def files(self, repo):
        """Files of the latest commit."""
        return list(self.commits[repo].values())[-1] if self.commits[repo] else {}

    def commit(self, repo, files):
        sha = sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.commits[repo][sha] = files
        return sha

    @contextmanager
    def running(self):
        handler = type("Handler", (_Handler,), {"hub": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub = None

    def log_message(self, *_):
        pass

    def answer(self, body, status=200, **headers):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(content), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refuse(self, status, code):
        self.answer({"error": code}, status, X_Error_Code=code)

    def knows_token(self):
        return self.headers.get("authorization") == f"Bearer {TOKEN}"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.knows_token():
            return self.refuse(401, "Unauthorized")
        parts = urlsplit(self.path).path.strip("/").split("/")
        if parts == ["api", "repos", "create"]:
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}"
            if asked.get("private") or asked.get("visibility") == "private":
                self.hub.private.add(repo)
            there = repo in self.hub.commits
            self.hub.commits.setdefault(repo, {})
            return self.answer({"url": f"{self.hub.address}/{repo}"}, 409 if there else 200)
        if parts == ["api", "validate-yaml"]:
            return self.answer({"errors": [], "warnings": []})
        repo, what = "/".join(parts[2:4]), parts[4]
        if what == "preupload":
            files = [each["path"] for each in json.loads(body)["files"]]
            modes = {"uploadMode": "regular", "shouldIgnore": False}
            return self.answer({"files": [{"path": each, **modes} for each in files]})
        assert what == "commit", self.path
        lines = [json.loads(line) for line in body.splitlines()]
        files = dict(self.hub.files(repo))
        for line in lines:
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        sha = self.hub.commit(repo, files)
        address = f"{self.hub.address}/{repo}/commit/{sha}"
        return self.answer({"commitUrl": address, "commitOid": sha, "success": True})

    def do_GET(self):
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        if parts[0] == "api":
            what, revision = parts[4:6] or ("revision", "main")
            repo = "/".join(parts[2:4])
        else:
            repo, what, revision = "/".join(parts[:2]), parts[2], parts[3]
        commits = self.hub.commits.get(repo)
        if commits is None or (repo in self.hub.private and not self.knows_token()):
            return self.refuse(404, "RepoNotFound")
        sha = next(reversed(commits), None) if revision == "main" else revision
        if sha not in commits:
            missing = revision == "main" and what == "resolve"
            return self.refuse(404, "EntryNotFound" if missing else "RevisionNotFound")
        files = commits[sha]
        if what == "revision":
            return self.answer({"id": repo, "sha": sha, "siblings": []})
        oids = {name: sha1(content).hexdigest() for name, content in files.items()}
        if what == "tree":
            rows = [
                {"type": "file", "path": name, "size": len(content), "oid": oids[name]}
                for name, content in files.items()
            ]
            return self.answer(rows)
        name = "/".join(parts[4:])
        if name not in files:
            return self.refuse(404, "EntryNotFound")
        return self.answer(files[name], X_Repo_Commit=sha, ETag=f'"{oids[name]}"')

    do_HEAD = do_GET
