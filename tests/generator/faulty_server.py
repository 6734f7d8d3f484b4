"""A real HTTP server in the test's process that speaks OpenAI's protocol, with faults."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from http_listening import listening

from rankgen.generator.engines.server.retry import RetryPolicy

QUICK = RetryPolicy(attempts=8, base_s=0.002, cap_s=0.01)


@dataclass(frozen=True)
class Reply:
    """One reply; a body that is None resets the connection, `stall_s` delays it."""

    status: int = 200
    body: str | None = ""
    headers: tuple[tuple[str, str], ...] = ()
    stall_s: float = 0.0
    kind: str = "application/json"


Behaviour = Callable[[dict[str, Any], int], Reply]


def answer(text: str | None, finish: str = "stop") -> Reply:
    choice = {
        "index": 0,
        "finish_reason": finish,
        "text": text,
        "message": {"role": "assistant", "content": text},
    }
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m"}
    return Reply(body=json.dumps(body | {"choices": [choice], "usage": usage}))


@dataclass
class Server:
    """What the test can see of the server."""

    url: str = ""
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)


@contextmanager
def serving(
    behave: Behaviour, models: Reply | None = None, key: str | None = None
) -> Iterator[Server]:
    """Serves; with `key`, only for those who send it."""
    state, lock = Server(), threading.Lock()
    listed = Reply(body='{"data": [{"id": "m", "owned_by": "vllm"}]}')

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def _reply(self, reply: Reply) -> None:
            time.sleep(reply.stall_s)
            if reply.body is None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            data = reply.body.encode()
            self.send_response(reply.status)
            for name, value in (("Content-Type", reply.kind), *reply.headers):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _is_refused(self) -> bool:
            sent = self.headers.get("Authorization", "")
            if key is None or sent == f"Bearer {key}":
                return False
            self._reply(Reply(401, json.dumps({"error": {"message": f"not with {sent}"}})))
            return True

        def do_GET(self) -> None:
            if not self._is_refused():
                self._reply(models or listed)

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                state.requests.append((self.path, json.loads(raw)))
                digest = hashlib.sha256(raw).hexdigest()
                state.tries[digest] += 1
                seen = state.tries[digest]
            if self._is_refused():
                return
            self._reply(behave(json.loads(raw), seen))

    with listening(Handler) as state.url:
        yield state
