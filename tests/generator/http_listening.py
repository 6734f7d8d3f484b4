"""Answers HTTP on this machine while a test runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer

# A server that is to end sees it when it next looks; by default it looks twice a second.
LOOK_SECONDS = 0.01


class Listening(ThreadingHTTPServer):
    """A server that holds many connections which it has not answered yet."""

    request_queue_size = 128
    daemon_threads = True


def serve_in_background(server: BaseServer) -> threading.Thread:
    """Serves until the server's `shutdown`, which then takes no time."""
    told = {"poll_interval": LOOK_SECONDS}
    thread = threading.Thread(target=server.serve_forever, kwargs=told, daemon=True)
    thread.start()
    return thread


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serves on a free port in the background and yields the URL."""
    server = Listening(("127.0.0.1", 0), handler)
    thread = serve_in_background(server)
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
