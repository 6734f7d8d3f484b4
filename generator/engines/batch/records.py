"""The batches that a run has asked for, in its folder: a batch is never paid for twice.

Its requests are stored before it is created and its id right after. A process that is killed in
between leaves requests without an id; the server's list of batches then tells whether it exists, as
the batch carries the name of its record.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rankgen.manifests.storage.atomic import file_exists, read_files, remove_tree, write_whole


@dataclass(frozen=True)
class BatchRecord:
    """One batch.

    Attributes:
        stem: Its name in the folder, which the server stores with it.
        names: The names of its requests.
        batch_id: The server's name for it; None if it may not exist.
        broken: How it ended without having been read, "cancelled" or "lost"; None otherwise.
    """

    stem: str
    names: frozenset[str]
    batch_id: str | None = None
    broken: str | None = None


class BatchFolder:
    """The records of one run; each worker adds its own."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, requests: bytes) -> str:
        """Stores the requests of a batch that is about to be created; returns its name."""
        stem = uuid.uuid4().hex
        write_whole(self._root / f"{stem}.jsonl", requests)
        return stem

    def created(self, stem: str, batch_id: str) -> None:
        """Stores the server's name for a batch."""
        write_whole(self._root / f"{stem}.id", batch_id.encode())

    def broke(self, stem: str, how: str) -> None:
        """Stores that a batch was cancelled or lost, so that its rest may be asked again."""
        write_whole(self._root / f"{stem}.broken", how.encode())

    def forget(self, stem: str) -> None:
        """Removes the record of a batch whose answers are all in the journal."""
        # The requests first: without them there is no record.
        for end in ("jsonl", "id", "broken"):
            remove_tree(self._root / f"{stem}.{end}")

    def open(self) -> list[BatchRecord]:
        """Returns every batch that is not forgotten."""
        paths = sorted(self._root.glob("*.jsonl"))
        pairs = zip(paths, read_files(paths), strict=True)
        return [
            BatchRecord(
                path.stem,
                frozenset(names_of(content)),
                self._text(self._root / f"{path.stem}.id"),
                self._text(self._root / f"{path.stem}.broken"),
            )
            for path, content in pairs
        ]

    def _text(self, path: Path) -> str | None:
        return read_files([path])[0].decode() if file_exists(path) else None


def request_lines(path: str, requests: Iterable[tuple[str, Mapping[str, object]]]) -> bytes:
    """Returns the input file of a batch.

    Args:
        path: The path of the requests on the server, such as "/v1/chat/completions".
        requests: The name and body of each.
    """
    rows = (
        {"custom_id": name, "method": "POST", "url": path, "body": body} for name, body in requests
    )
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def names_of(requests: bytes) -> list[str]:
    """Returns the names of the requests of an input file, in its order."""
    return [str(json.loads(line)["custom_id"]) for line in requests.split(b"\n") if line]
