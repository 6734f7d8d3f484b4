"""A real HTTP server with OpenAI's Batch API in the test's process, with faults."""

from __future__ import annotations

import email.parser
import email.policy
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from faulty_server import Reply, answer
from http_listening import listening

Body = dict[str, Any]
# What one request of a batch gets: a reply, or None if the batch ends before it.
Answering = Callable[[Body], Reply | None]


@dataclass
class Batches:
    """What a test sees of the server, and what it tells it.

    Attributes:
        url: The server's address.
        uploads: The files by their ids.
        batches: The batches by their ids, oldest first.
        paid: How often each request (by its messages) was answered and so billed.
        looks: How often a batch says that it is in progress.
        endings: The status with which the next batches end; "completed" when there are no more.
        in_capitals: Whether it writes the status of a batch in capitals.
        faults: Path prefix -> replies that the next requests there get; None is no fault.
        done: Called for each batch when it is over.
    """

    url: str = ""
    uploads: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, Body] = field(default_factory=dict)
    paid: Counter[str] = field(default_factory=Counter)
    looks: int = 1
    endings: list[str] = field(default_factory=list)
    faults: dict[str, list[Reply | None]] = field(default_factory=dict)
    direct: list[Body] = field(default_factory=list)
    lists: int = 0
    in_capitals: bool = False
    cut_downloads: int = 0

    def requests_of(self, batch: Body) -> list[Body]:
        content = self.uploads[batch["input_file_id"]]
        return [json.loads(line) for line in content.splitlines()]


def _new_batch(state: Batches, asked: Body) -> Body:
    number = len(state.batches)
    batch: Body = {
        "id": f"batch_{number}",
        "object": "batch",
        "endpoint": asked["endpoint"],
        "input_file_id": asked["input_file_id"],
        "completion_window": asked["completion_window"],
        "metadata": asked.get("metadata"),
        "status": "validating",
        "created_at": number,
    }
    state.batches[batch["id"]] = batch
    batch["looks"] = state.looks
    return batch


def _finish(state: Batches, batch: Body, behave: Answering) -> None:
    """Answers the requests of a batch, in another order than they were asked."""
    status = state.endings.pop(0) if state.endings else "completed"
    batch["status"] = status
    good, bad = list[Body](), list[Body]()
    requests = state.requests_of(batch)
    for place, request in enumerate(reversed(requests)):
        ended = status == "failed" or (status != "completed" and place >= len(requests) // 2)
        reply = None if ended else behave(request["body"])
        row = {"id": f"r{place}", "custom_id": request["custom_id"], "error": None}
        if reply is None:
            bad.append(row | {"response": None, "error": {"code": "batch_expired", "message": "x"}})
            continue
        said = {"status_code": reply.status, "body": json.loads(reply.body or "{}")}
        (good if reply.status == 200 else bad).append(row | {"response": said})
        if reply.status == 200:
            state.paid[json.dumps(request["body"]["messages"], sort_keys=True)] += 1
    for name, rows in (("output_file_id", good), ("error_file_id", bad)):
        if rows and status != "failed":
            batch[name] = f"file_{len(state.uploads)}"
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            state.uploads[batch[name]] = text.encode()
    if status == "failed":
        batch["errors"] = {"data": [{"message": "enqueued token limit reached"}]}
    counts = {"total": len(requests), "completed": len(good), "failed": len(requests) - len(good)}
    batch["request_counts"] = counts


@contextmanager
def serving_batches(behave: Answering) -> Iterator[Batches]:
    """Serves; a batch is answered when it has been looked at often enough."""
    state, lock = Batches(), threading.RLock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def _bytes(self, data: bytes, status: int = 200, cut: bool = False) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            if cut:
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
            else:
                self.wfile.write(data)

        def _json(self, body: Body, status: int = 200) -> None:
            shown = {name: value for name, value in body.items() if name != "looks"}
            self._bytes(json.dumps(shown).encode(), status)

        def _is_faulty(self) -> bool:
            for prefix, replies in state.faults.items():
                if self.path.startswith(prefix) and replies:
                    reply = replies.pop(0)
                    if reply is None:
                        return False
                    if reply.body is None:
                        self.close_connection = True
                        return True
                    self.send_response(reply.status)
                    for name, value in reply.headers:
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(reply.body)))
                    self.end_headers()
                    self.wfile.write(reply.body.encode())
                    return True
            return False

        def do_GET(self) -> None:
            with lock:
                if self._is_faulty():
                    return
                parts = self.path.split("?")[0].strip("/").split("/")[1:]
                if parts[0] == "models":
                    self._json({"data": [{"id": "m", "owned_by": "openai"}]})
                elif parts[0] == "files":
                    cut = state.cut_downloads > 0
                    state.cut_downloads -= cut
                    self._bytes(state.uploads[parts[1]], cut=cut)
                elif len(parts) == 1:
                    state.lists += 1
                    held = [
                        {name: value for name, value in batch.items() if name != "looks"}
                        for batch in reversed(state.batches.values())
                    ]
                    self._json({"object": "list", "data": held, "has_more": False})
                elif parts[1] not in state.batches:
                    self._json({"error": {"message": f"no batch {parts[1]}"}}, 404)
                else:
                    batch = state.batches[parts[1]]
                    self._look(batch)
                    told = batch["status"]
                    self._json(batch | {"status": told.upper() if state.in_capitals else told})

        def _look(self, batch: Body) -> None:
            if batch["status"] not in ("validating", "in_progress"):
                return
            batch["looks"] -= 1
            batch["status"] = "in_progress"
            if batch["looks"] < 0:
                _finish(state, batch, behave)

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                path = self.path.split("?")[0]
                if path.endswith("/batches"):
                    self._create(json.loads(raw))
                elif self._is_faulty():
                    return
                elif path.endswith("/files"):
                    number = f"file_{len(state.uploads)}"
                    state.uploads[number] = _file_in(self.headers["Content-Type"], raw)
                    self._json({"id": number, "object": "file", "purpose": "batch"})
                else:
                    state.direct.append(json.loads(raw))
                    self._bytes(str(answer("[2] > [1]").body).encode())

        def _create(self, asked: Body) -> None:
            # A fault here may come after the batch is created, as when an answer is lost.
            lost = [r for r in state.faults.get("/v1/batches#after", []) if r is not None]
            if lost:
                state.faults["/v1/batches#after"].pop(0)
                _new_batch(state, asked)
                self.close_connection = True
            elif not self._is_faulty():
                self._json(_new_batch(state, asked))

    with listening(Handler) as state.url:
        yield state


def _file_in(content_type: str, raw: bytes) -> bytes:
    """Returns the file of a multipart form."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + raw)
    for part in form.iter_parts():
        if part.get_filename():
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            return content
    raise AssertionError("no file in the form")
