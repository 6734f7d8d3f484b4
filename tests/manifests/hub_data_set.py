"""A server in the test's process that answers as the Hub does for one data set at one commit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from http_listening import serve_in_background

NAME, COMMIT = "some/rankings", "d" * 40
API = f"/api/datasets/{NAME}"


@dataclass
class HubDataSet:
    """What the test sees and changes of it.

    Attributes:
        files: Path -> content.
        asked: The paths that were asked for.
        stop: Ends the server; nothing answers at its address then.
    """

    files: dict[str, str]
    asked: list[str] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None


@contextmanager
def hub_data_set(files: Mapping[str, str], cache: Path) -> Iterator[HubDataSet]:
    """Serves files as those of `NAME` on its main branch and "old"; the client here asks it."""
    from huggingface_hub import constants

    hub = HubDataSet(dict(files))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            hub.asked.append(self.path)
            path = self.path.partition("?")[0]
            name = path.partition(f"/datasets/{NAME}/resolve/{COMMIT}/")[2]
            if path in (API, f"{API}/revision/old"):
                siblings = [{"rfilename": known} for known in hub.files]
                said = json.dumps({"id": NAME, "sha": COMMIT, "siblings": siblings})
                self._send(200, said, {"Content-Type": "application/json"}, with_body)
            elif name in hub.files:
                head = {"ETag": f'"{name.replace("/", "-")}"', "X-Repo-Commit": COMMIT}
                self._send(200, hub.files[name], head, with_body)
            else:
                kind = "Revision" if path.startswith(API) else "Repo"
                self._send(404, "{}", {"X-Error-Code": f"{kind}NotFound"}, with_body)

        def _send(self, status: int, text: str, head: dict[str, str], with_body: bool) -> None:
            body = text.encode()
            self.send_response(status)
            for key, value in (head | {"Content-Length": str(len(body))}).items():
                self.send_header(key, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    serve_in_background(server)

    def stop() -> None:
        server.shutdown()
        server.server_close()

    hub.stop = stop
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(constants, "ENDPOINT", url)
            template = url + "/{repo_id}/resolve/{revision}/{filename}"
            patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
            patch.setattr(constants, "HF_HUB_CACHE", str(cache))
            patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
            patch.setattr("huggingface_hub.hf_api.api.endpoint", url)
            yield hub
    finally:
        stop()
