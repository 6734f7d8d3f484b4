"""Names for the calls about a window, the same in every process that asks again.

A name is the window's key in the journal with the number of calls that the journal has for it. A
killed process and the one after it thus give a call the same name, by which the second one finds
what the first one has asked for.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from contextvars import ContextVar

# Servers accept 64 characters.
_KEY_CHARACTERS = 48


class WindowCalls:
    """Counts the calls for one window.

    Args:
        key: The window's key in the journal.
        made: Number of failed calls in the journal.
    """

    def __init__(self, key: str, made: int) -> None:
        self._key, self._made = key, made

    def next_name(self) -> str:
        """Returns the name of the next call."""
        self._made += 1
        return f"{self._key[:_KEY_CHARACTERS]}-{self._made}"


_CURRENT: ContextVar[WindowCalls | None] = ContextVar("window_calls", default=None)


@contextlib.contextmanager
def calls_for_window(key: str, made: int) -> Iterator[None]:
    """Names the calls of the block; see `WindowCalls`."""
    token = _CURRENT.set(WindowCalls(key, made))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def next_call_name() -> str:
    """Returns the name of the next call for the current window; a new one without a journal."""
    calls = _CURRENT.get()
    return uuid.uuid4().hex if calls is None else calls.next_name()
