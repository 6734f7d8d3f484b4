"""A download that fails: libraries' lines kept off the terminal, their cause in our sentence."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator

from rankgen.manifests.errors import reason_of

# Logger of each library -> its lines on single tries, with the cause where they have a short one.
# Other lines, such as the terms of use that a download agrees to, stay.
_TRIES = {
    "huggingface_hub.utils._http": r"'(?P<cause>.+)' thrown while requesting|Retrying in ",
    "ir_datasets": r"download error: |Download failed: ",
}


class _WithoutTries(logging.Filter):
    """Drops lines on single tries; `cause` is the last one that they named."""

    def __init__(self, tries: str) -> None:
        super().__init__()
        self._tries = re.compile(tries)
        self.cause: str | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Tells whether a line is shown."""
        found = self._tries.search(record.getMessage())
        self.cause = (found and found.groupdict().get("cause")) or self.cause
        return found is None


_FILTERS = {name: _WithoutTries(tries) for name, tries in _TRIES.items()}


def keep_out_tries() -> None:
    """Drops the lines in which libraries tell of each failed try of a download, from now on."""
    for name, own in _FILTERS.items():
        own.cause = None
        # One that is there already is not added again.
        logging.getLogger(name).addFilter(own)


def reason_with_cause(error: BaseException) -> str:
    """Returns an exception's message, and what of the network or the disk it comes from.

    Libraries say that something cannot be reached, and keep why in the exceptions behind it, or in
    what they print since `keep_out_tries`.
    """
    reason = reason_of(error)
    behind = [one for one in _behind(error) if isinstance(one, OSError) and one.strerror]
    told = [own.cause for own in _FILTERS.values() if own.cause is not None]
    cause = next((reason_of(one) for one in reversed(behind)), None) or next(iter(told), None)
    return reason if cause is None or cause in reason else f"{reason}: {cause}"


def _behind(error: BaseException) -> Iterator[BaseException]:
    """Yields the exceptions that an exception was made of, the first one last."""
    before = error.__cause__ if error.__suppress_context__ else error.__context__
    for one in (*_given(error.args), *([] if before is None else [before])):
        yield one
        yield from _behind(one)


def _given(values: Iterable[object]) -> Iterator[BaseException]:
    """Yields the exceptions among arguments of an exception, in lists of them too."""
    for value in values:
        if isinstance(value, BaseException):
            yield value
        elif isinstance(value, list | tuple):
            yield from _given(value)
