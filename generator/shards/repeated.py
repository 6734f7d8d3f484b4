"""Calls a function again and again in a thread while a block runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def repeated(
    call: Callable[[], None], every: float, patience: float | None = None
) -> Iterator[None]:
    """Repeats a call while the block runs, and makes it once more at the end.

    Args:
        call: The function; must not raise.
        every: Seconds between two calls.
        patience: Seconds to wait for the last call; None waits until it returns.
    """
    ended = threading.Event()
    thread = threading.Thread(target=_keep_calling, args=(call, every, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(patience)


def _keep_calling(call: Callable[[], None], every: float, ended: threading.Event) -> None:
    is_last = False
    while True:
        call()
        if is_last:
            return
        is_last = ended.wait(every)
