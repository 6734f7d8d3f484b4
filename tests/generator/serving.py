"""`rankgen serve` as a user starts it: in a process of its own, at a free port."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

RANKGEN = str(Path(sys.executable).with_name("rankgen"))


@contextlib.contextmanager
def served(run: Path, *, warns: bool = False) -> Iterator[str]:
    """Yields the address of a run's page; at the end the server is interrupted, as by Ctrl-C.

    Args:
        run: The run.
        warns: Whether it must have told its user of something that is wrong.
    """
    command = [RANKGEN, "serve", str(run), "--port", "0", "--json"]
    server = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # Tests that were started in the background ignore Ctrl-C, and so would the server.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert server.stdout is not None
    line = server.stdout.readline()
    try:
        assert line, server.communicate()[1]
        yield str(json.loads(line)["address"])
    finally:
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=30)
    assert server.returncode == 130
    assert "Traceback" not in errors
    assert ("warning: " in errors) == warns, errors
