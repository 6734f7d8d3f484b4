"""A server in the test's process that answers as the Hub does for one model at one commit."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from http_listening import serve_in_background

MODEL, COMMIT = "some/model", "c" * 40


@dataclass
class Hub:
    """What the test sees of the server, and when it sends weights.

    Attributes:
        url: Its address.
        fetched: How often each file was asked for.
        refused: Files that are sent to nobody.
        may_send: Unset while a weights file is held back.
    """

    url: str = ""
    fetched: Counter[str] = field(default_factory=Counter)
    refused: set[str] = field(default_factory=set)
    may_send: threading.Event = field(default_factory=threading.Event)


@contextmanager
def fake_hub(files: Mapping[str, bytes]) -> Iterator[Hub]:
    """Serves the files of `MODEL` at `COMMIT`."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._file(with_body=False)

        def do_GET(self) -> None:
            if self.path.startswith(f"/api/models/{MODEL}/tree/{COMMIT}"):
                self._json(
                    [
                        {"type": "file", "path": name, "size": len(body), "oid": _etag(body)}
                        for name, body in files.items()
                    ]
                )
            elif self.path.startswith(f"/api/models/{MODEL}"):
                siblings = [{"rfilename": name, "size": len(files[name])} for name in files]
                self._json({"id": MODEL, "sha": COMMIT, "siblings": siblings})
            else:
                self._file(with_body=True)

        def _json(self, value: object) -> None:
            self._send(json.dumps(value).encode(), {"Content-Type": "application/json"})

        def _file(self, with_body: bool) -> None:
            name = self.path.partition(f"/resolve/{COMMIT}/")[2].partition("?")[0]
            if name not in files:
                self._send(b"", {"X-Error-Code": "EntryNotFound"}, 404)
                return
            if with_body:
                hub.fetched[name] += 1
                if name in hub.refused:
                    self._send(b"", {"X-Error-Code": "GatedRepo"}, 403)
                    return
                if name.endswith(".safetensors"):
                    hub.may_send.wait(60)
            head = {"ETag": f'"{_etag(files[name])}"', "X-Repo-Commit": COMMIT}
            self._send(files[name], head, with_body=with_body)

        def _send(
            self, body: bytes, headers: Mapping[str, str], status: int = 200, with_body: bool = True
        ) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    serve_in_background(server)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        hub.may_send.set()
        server.shutdown()
        server.server_close()


def _etag(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()
