"""Files of text columns, read in blocks of whole lines that Arrow splits at one separator."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.csv as pa_csv

from rankgen.manifests.forms.files.opened import opened
from rankgen.manifests.forms.sources.base import Part

BLOCK_BYTES = 1 << 24
MARK = "\N{ZERO WIDTH NO-BREAK SPACE}".encode()


class Block(NamedTuple):
    """Successive lines of a file.

    Attributes:
        content: The lines with their newlines.
        first: The number of the first line, from 1.
    """

    content: bytes
    first: int


def blocks_of(part: Part) -> Iterator[Block]:
    """Yields a file in blocks of some megabytes that end with a line.

    Raises:
        UsageError: The file cannot be read.
    """
    with opened(part) as file:
        yield from _blocks(file)


def first_line(part: Part) -> bytes:
    """Returns the first line of a file that is not blank, without newline and byte order marks."""
    with opened(part) as file:
        while line := file.readline():
            if text := line.replace(MARK, b"").rstrip(b"\r\n"):
                return text
    return b""


def _blocks(file: IO[bytes]) -> Iterator[Block]:
    rest, first = b"", 1
    while content := file.read(BLOCK_BYTES):
        content = rest + content
        end = content.rfind(b"\n") + 1
        if end:
            yield Block(content[:end], first)
            first += content.count(b"\n", 0, end)
        rest = content[end:]
    if rest:
        yield Block(rest, first)


def split_exactly(block: Block, separator: bytes, columns: int) -> pa.Table | None:
    """Returns the columns of a block as texts, named c0, c1 and so on.

    Returns:
        One row a line; None where a line has another number of columns, is not UTF-8, or where
        anything but the separator and newlines may divide it.
    """
    content = block.content.removeprefix(MARK)
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    has_bare_return = content.count(b"\r") != content.count(b"\r\n")
    if has_bare_return or b"\0" in content or MARK in content:
        return None
    names = [f"c{number}" for number in range(columns)]
    try:
        read = pa_csv.read_csv(
            io.BytesIO(content),
            read_options=pa_csv.ReadOptions(column_names=names, block_size=len(content) + 1),
            parse_options=pa_csv.ParseOptions(
                delimiter=separator.decode(), quote_char=False, ignore_empty_lines=False
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    return read if read.num_rows == lines else None
