"""Rows into one file, whole or absent: JSON Lines, a JSON list, Parquet or lines of text.

The suffix of the file's name says which, and whether it is compressed. Equal rows give equal bytes.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.sources.base import Kind
from rankgen.manifests.storage.atomic import file_exists, local_file, whole_file
from rankgen.manifests.storage.digest import sha256_of_file

Row = Mapping[str, object]
Told = TypeVar("Told")

KINDS: dict[str, Kind] = {
    ".jsonl": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".run": "text",
    ".txt": "text",
    ".trec": "text",
}
_PACKINGS = {".gz": "gzip", ".zst": "zstd"}
# Rows of a row group: a list of a hundred passages takes some 30 kB, a single passage 300 bytes.
_LISTS, _SINGLE_ROWS = 1_000, 20_000


@dataclass(frozen=True)
class FileType:
    """What the name of a file says of its content.

    Attributes:
        packing: "gzip", "zstd" or None.
    """

    kind: Kind
    packing: str | None


def file_type(path: Path, accepted: Sequence[Kind], form: str) -> FileType:
    """Returns the type of a file from its suffix.

    Args:
        path: The file to write.
        accepted: The kinds that the form can be written as.
        form: Its name, for the error.

    Raises:
        UsageError: The suffix is unknown, or is not one of this form.
    """
    name, packing = path.name, None
    for suffix, packed in _PACKINGS.items():
        if name.endswith(suffix):
            name, packing = name.removesuffix(suffix), packed
    suffix = Path(name).suffix
    kind = KINDS.get(suffix)
    if kind is None or kind not in accepted or (packing and kind == "parquet"):
        known = ", ".join(s for s, k in KINDS.items() if k in accepted)
        packed_too = (
            "" if set(accepted) == {"parquet"} else "; all but .parquet also with .gz or .zst"
        )
        raise UsageError(
            f"the form {form} cannot be written as '{path.name}'",
            f"end the name given to --out with one of {known}{packed_too}",
        )
    return FileType(kind, packing)


def write_new(path: Path, write: Callable[[Path], Told], *, overwrite: bool) -> Told:
    """Writes a file that appears when it is whole.

    Args:
        path: The file, on a disk or in a store.
        write: Writes all of it to the path that it is given.
        overwrite: Whether another file of that name may be replaced; one with the same bytes may
            stand there always, so that a command can be repeated.

    Raises:
        UsageError: `path` is a folder, or a file with other bytes.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "name a file with --out")
    with whole_file(path) as draft:
        told = write(draft)
        if not overwrite and file_exists(path):
            with local_file(path) as standing:
                is_same = sha256_of_file(standing) == sha256_of_file(draft)
            if not is_same:
                raise UsageError(
                    f"{path} exists with another content",
                    "name another file with --out, or add --overwrite",
                )
    return told


def write_rows(path: Path, rows: Iterable[Row], schema: pa.Schema, type_: FileType) -> int:
    """Writes rows to a local file, some at a time, and returns their number.

    Args:
        path: The file.
        rows: With the columns of `schema`, in its order. A null stands in Parquet alone; in JSON
            the key is left out, as readers of the form expect.
        schema: Of a Parquet file.
        type_: JSON Lines, a JSON list or Parquet.
    """
    if type_.kind == "parquet":
        return _write_parquet(path, iter(rows), schema)
    written = 0
    with _opened(path, type_) as file:
        is_list = type_.kind == "json"
        file.write(b"[" if is_list else b"")
        for row in rows:
            held = {key: value for key, value in row.items() if value is not None}
            line = json.dumps(held, ensure_ascii=False, allow_nan=False).encode()
            file.write((b",\n" if written else b"\n") + line if is_list else line + b"\n")
            written += 1
        file.write(b"\n]\n" if is_list else b"")
    return written


def write_lines(path: Path, lines: Iterable[str], type_: FileType) -> int:
    """Writes lines of text to a local file and returns their number."""
    written = 0
    with _opened(path, type_) as file:
        for line in lines:
            file.write(f"{line}\n".encode())
            written += 1
    return written


def _write_parquet(path: Path, rows: Iterator[Row], schema: pa.Schema) -> int:
    written = 0
    at_once = _LISTS if any(map(pa.types.is_nested, schema.types)) else _SINGLE_ROWS
    with pq.ParquetWriter(
        path, schema, compression="zstd", write_page_index=True, use_content_defined_chunking=True
    ) as file:
        while chunk := list(itertools.islice(rows, at_once)):
            file.write_table(pa.Table.from_pylist(chunk, schema=schema))
            written += len(chunk)
    return written


@contextmanager
def _opened(path: Path, type_: FileType) -> Iterator[IO[bytes]]:
    """Yields a file to write to; a compressed one has no time in it, so equal rows are equal."""
    with path.open("wb", buffering=1 << 20) as plain:
        if type_.packing is None:
            yield plain
            return
        with pa.CompressedOutputStream(pa.PythonFile(plain, "w"), type_.packing) as packed:
            yield packed
