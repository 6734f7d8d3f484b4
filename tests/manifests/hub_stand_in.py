"""A server in the test's process that keeps data sets as the Hugging Face Hub does.

It speaks what `huggingface_hub` asks of the real one: repositories, branches, LFS uploads, commits
and downloads by branch or commit. Every request needs the right token where a repository is
private, and the network can be cut in the middle of an upload.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from http_listening import serve_in_background

from rankgen.manifests.storage import hub_runs

TOKEN = "hf_of_the_test"
Tree = dict[str, bytes]


@dataclass
class Repository:
    """A data set: its branches point to commits, and a commit is a tree of files."""

    is_private: bool
    commits: dict[str, Tree] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, branch: str, tree: Tree) -> str:
        known = f"{branch}{len(self.commits)}".encode()
        oid = hashlib.sha1(known + b"".join(k.encode() + v for k, v in tree.items())).hexdigest()
        self.commits[oid], self.branches[branch] = tree, oid
        return oid

    def find(self, revision: str) -> str | None:
        return self.branches.get(revision, revision if revision in self.commits else None)


@dataclass
class StandIn:
    """What a test sees of the server.

    Attributes:
        stored: Content by SHA-256 of what was uploaded, committed or not.
        sent: How often the content of each SHA-256 was sent whole.
        fetched: How often each path was downloaded.
        cut_after: The network breaks in the middle of the upload after this many; None never.
        tokens: The tokens that requests came with.
    """

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    fetched: Counter[str] = field(default_factory=Counter)
    cut_after: int | None = None
    is_down: bool = False
    tokens: set[str | None] = field(default_factory=set)

    def files(self, name: str, revision: str = "main") -> Tree:
        repository = self.repositories[name]
        return repository.commits[repository.find(revision) or ""]


@contextmanager
def hub_stand_in() -> Iterator[StandIn]:
    hub = StandIn()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    serve_in_background(server)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def taken_for_the_hub(served: StandIn, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Has this process take the server for the Hub, with the right token and an empty cache."""
    from huggingface_hub import constants
    from huggingface_hub.utils import _http

    class Clock:
        """Repeated requests wait no time at all."""

        sleep = staticmethod(lambda seconds: None)

    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants._HF_DEFAULT_ENDPOINT, "")
    monkeypatch.setattr(constants, "ENDPOINT", served.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", served.url + template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(_http, "time", Clock)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # Caches of this process belong to another server.
    hub_runs._folder_of_commit.cache_clear()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A head and a body that are sent apart wait for each other.
    disable_nagle_algorithm = True
    hub: StandIn

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._route()

    def do_GET(self) -> None:
        self._route()

    def do_POST(self) -> None:
        self._route()

    def do_PUT(self) -> None:
        self._route()

    def _route(self) -> None:
        if self.hub.is_down:
            self._hang_up()
            return
        self.query = urlsplit(self.path).query
        self.path = unquote(urlsplit(self.path).path)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
        self.hub.tokens.add(token)
        if self.command == "PUT":
            self._take(self.path.rpartition("/")[2])
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/repos/create":
            self._create(json.loads(body), token)
        elif self.path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        else:
            self._in_repository(body, token)

    def _in_repository(self, body: bytes, token: str | None) -> None:
        found = re.fullmatch(r"/(?:api/)?datasets/([^/]+/[^/]+?)(?:\.git/info)?(/.*)?", self.path)
        repository = self.hub.repositories.get(found[1]) if found else None
        if found is None or repository is None or (repository.is_private and token != TOKEN):
            self._error("RepoNotFound", 401 if token is None else 404)
            return
        action, _, rest = (found[2] or "/revision/main")[1:].partition("/")
        if action in ("preupload", "commit", "branch", "lfs") and token != TOKEN:
            self._error("Forbidden", 403)
            return
        getattr(self, f"_{action}")(found[1], repository, rest, body)

    def _create(self, asked: Mapping[str, object], token: str | None) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        assert asked["type"] == "dataset"
        if token != TOKEN:
            self._error("Unauthorized", 401)
        elif name in self.hub.repositories:
            self._json({"url": f"{self.hub.url}/datasets/{name}", "error": "it exists"}, 409)
        else:
            is_private = asked.get("visibility") == "private" or asked.get("private") is True
            self.hub.repositories[name] = Repository(is_private)
            self.hub.repositories[name].commit("main", {".gitattributes": b"*.parquet lfs\n"})
            self._json({"url": f"{self.hub.url}/datasets/{name}"})

    def _branch(self, name: str, repository: Repository, branch: str, body: bytes) -> None:
        if branch in repository.branches:
            self._json({"error": "exists"}, 409)
            return
        repository.branches[branch] = repository.branches["main"]
        self._json({})

    def _revision(self, name: str, repository: Repository, revision: str, body: bytes) -> None:
        oid = repository.find(revision)
        if oid is None:
            self._error("RevisionNotFound", 404)
            return
        siblings = [{"rfilename": path} for path in repository.commits[oid]]
        self._json({"id": name, "sha": oid, "siblings": siblings, "private": False, "tags": []})

    def _tree(self, name: str, repository: Repository, rest: str, body: bytes) -> None:
        revision, _, folder = rest.rstrip("/").partition("/")
        oid = repository.find(revision)
        if oid is None:
            self._error("RevisionNotFound", 404)
            return
        above = f"{folder}/" if folder else ""
        files = {p: c for p, c in repository.commits[oid].items() if p.startswith(above)}
        if not files:
            self._error("EntryNotFound", 404)
            return
        entries = [_entry(path, content) for path, content in files.items()]
        if "recursive=true" not in self.query.lower():
            names = {path: path.removeprefix(above).partition("/") for path in files}
            entries = [entry for entry in entries if not names[str(entry["path"])][1]]
            folders = {above + first for first, slash, _ in names.values() if slash}
            entries += [
                {"type": "directory", "path": path, "oid": _oid(path.encode()), "size": 0}
                for path in sorted(folders)
            ]
        self._json(entries)

    def _preupload(self, name: str, repository: Repository, revision: str, body: bytes) -> None:
        tree = self.hub.files(name, revision)
        self._json(
            {
                "files": [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if file["path"].endswith(".parquet") else "regular",
                        "shouldIgnore": False,
                        "oid": _oid(tree[file["path"]]) if file["path"] in tree else None,
                    }
                    for file in json.loads(body)["files"]
                ]
            }
        )

    def _lfs(self, name: str, repository: Repository, rest: str, body: bytes) -> None:
        assert rest == "objects/batch"
        objects = []
        for asked in json.loads(body)["objects"]:
            actions = {"upload": {"href": f"{self.hub.url}/upload/{asked['oid']}"}}
            known = asked["oid"] in self.hub.stored
            objects.append({**asked, **({} if known else {"actions": actions})})
        self._json({"transfer": "basic", "objects": objects})

    def _take(self, oid: str) -> None:
        size = int(self.headers["Content-Length"])
        if self.hub.cut_after is not None and self.hub.sent.total() >= self.hub.cut_after:
            self.rfile.read(size // 2)
            self.hub.is_down = True
            self._hang_up()
            return
        content = self.rfile.read(size)
        assert hashlib.sha256(content).hexdigest() == oid
        self.hub.stored[oid] = content
        self.hub.sent[oid] += 1
        self._json({})

    def _commit(self, name: str, repository: Repository, revision: str, body: bytes) -> None:
        tree = dict(self.hub.files(name, revision))
        for line in body.decode().splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                tree[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                tree[value["path"]] = self.hub.stored[value["oid"]]
            elif entry["key"] == "deletedFile":
                del tree[value["path"]]
        oid = repository.commit(revision, tree)
        url = f"{self.hub.url}/datasets/{name}/commit/{oid}"
        self._json({"commitUrl": url, "commitOid": oid, "success": True})

    def _resolve(self, name: str, repository: Repository, rest: str, body: bytes) -> None:
        revision, _, path = rest.partition("/")
        oid = repository.find(revision)
        content = None if oid is None else repository.commits[oid].get(path)
        if content is None:
            self._error("RevisionNotFound" if oid is None else "EntryNotFound", 404)
            return
        if self.command == "GET":
            self.hub.fetched[path] += 1
        self._send(content, {"ETag": f'"{_oid(content)}"', "X-Repo-Commit": oid or ""})

    def _json(self, value: object, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), {"Content-Type": "application/json"}, status)

    def _error(self, code: str, status: int) -> None:
        self._send(b"{}", {"X-Error-Code": code}, status)

    def _send(self, body: bytes, headers: Mapping[str, str], status: int = 200) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()


def _oid(content: bytes) -> str:
    """The id that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _entry(path: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {"type": "file", "path": path, "size": len(content)}
    entry["oid"] = _oid(content)
    if path.endswith(".parquet"):
        sha256 = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 130}
    return entry
