"""Digests that identify values and files: canonical JSON and SHA-256."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable
from itertools import chain, islice
from pathlib import Path

_LENGTH, _AT_ONCE = struct.Struct("<Q"), 256


def canonical_json(value: object) -> str:
    """Returns the canonical JSON text of `value`: sorted keys, no spaces, no NaN.

    Raises:
        ValueError: `value` contains NaN or an infinity.
        TypeError: `value` contains something that JSON cannot express.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256_of_value(value: object) -> str:
    """Returns the SHA-256 of the canonical JSON of `value`, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def sha256_of_lines(lines: Iterable[str]) -> str:
    """Returns the SHA-256 of `lines`, each with its length, so that no line is taken for two."""
    digest, left = hashlib.sha256(), iter(lines)
    # Many at once: a call for each line would take longer than the hashing of short ones.
    while encoded := [line.encode("utf-8", "surrogatepass") for line in islice(left, _AT_ONCE)]:
        lengths = map(_LENGTH.pack, map(len, encoded))
        digest.update(b"".join(chain.from_iterable(zip(lengths, encoded, strict=True))))
    return digest.hexdigest()


def sha256_of_bytes(content: bytes) -> str:
    """Returns the SHA-256 of bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
