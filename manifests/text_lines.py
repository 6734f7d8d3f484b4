"""Lines and columns of text files that people wrote with any editor."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Collection, Iterable, Iterator
from io import BufferedReader
from pathlib import Path

from rankgen.manifests.counted import counted
from rankgen.manifests.errors import UsageError, reason_of

_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UTF32_MARKS = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
_GZIP = b"\x1f\x8b"
# First bytes of a file -> what it was packed with, and what unpacks it.
_PACKED = {
    b"\x28\xb5\x2f\xfd": ("zstd", "unzstd"),
    b"PK\x03\x04": ("zip", "unzip"),
    b"BZh": ("bzip2", "bunzip2 -k"),
    b"\xfd7zXZ": ("xz", "unxz -k"),
}
_WORD = re.compile(r"[^ \t\v\f\r]+")


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (line number from 1, line without its newline), splitting on newline only.

    Passages of MS MARCO hold U+0085 and U+2028, at which `str.splitlines` would break. Byte order
    marks are left out: concatenated files have one at the start of each part, and a program that
    writes one does not see that there is one already. A file packed with gzip is read as it was
    before, whatever its name.

    Raises:
        UsageError: The file is missing, is not UTF-8, or is packed in another way.
    """
    try:
        with path.open("rb") as file:
            yield from lines_in(_unpacked(file, path), str(path))
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}", "check the path") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory, not a file", "name a file in it") from None
    # gzip raises all three, for a cut and a damaged file.
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UsageError(
            f"{path} cannot be unpacked: {reason_of(error)}", "was it copied whole?"
        ) from None


def _unpacked(file: BufferedReader, path: Path) -> Iterable[bytes]:
    start = file.peek(8)
    if start.startswith(_GZIP):
        return gzip.open(file)
    for magic, (packer, unpacker) in _PACKED.items():
        if start.startswith(magic):
            raise UsageError(f"{path} is packed with {packer}", f"unpack it: {unpacker} {path}")
    return file


def lines_in(file: Iterable[bytes], name: str, first: int = 1) -> Iterator[tuple[int, str]]:
    """Yields the lines of an open file; see `lines_of`.

    Args:
        file: Lines with their newlines.
        name: What messages call the file.
        first: The number of the first of these lines.

    Raises:
        UsageError: The file is not UTF-8.
    """
    number = first
    try:
        for number, line in enumerate(file, start=first):
            if number == 1 and line.startswith(_UTF16_MARKS + _UTF32_MARKS):
                encoding = "UTF-32" if line.startswith(_UTF32_MARKS) else "UTF-16"
                raise UsageError(
                    f"{name} is {encoding} text, not UTF-8",
                    f"convert it: iconv -f {encoding} -t UTF-8 {name} > converted",
                )
            text = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
            yield number, text.lstrip(_MARK)
    except UnicodeDecodeError as error:
        where = f"{error.reason} at its byte {error.start + 1}"
        raise UsageError(
            f"{name} line {number} is not UTF-8 text ({where})",
            "convert it, for example with iconv",
        ) from None


def rows_of(path: Path, counts: Collection[int]) -> Iterator[tuple[int, list[str]]]:
    """Yields (line number from 1, columns) of every line that is not blank.

    Columns are separated by tabs where tabs give one of the expected numbers of columns, and by
    any white space of ASCII elsewhere. Whether the number is right is left to the caller.

    Args:
        path: A text file.
        counts: The expected numbers of columns.

    Raises:
        UsageError: The file is missing, is not UTF-8, or a line holds a NUL byte.
    """
    return rows_in(lines_of(path), str(path), counts)


def rows_in(
    lines: Iterable[tuple[int, str]], name: str, counts: Collection[int]
) -> Iterator[tuple[int, list[str]]]:
    """Yields the columns of lines; see `rows_of`.

    Args:
        lines: Line numbers and lines.
        name: What messages call their file.
        counts: The expected numbers of columns.

    Raises:
        UsageError: A line holds a NUL byte.
    """
    for number, line in lines:
        if "\0" in line:
            raise UsageError(
                f"{name} line {number} holds a NUL byte at its character {line.index(chr(0)) + 1}",
                "save the file as UTF-8 text; UTF-16 and damaged files hold such bytes",
            )
        columns = _columns(line, counts)
        if columns:
            yield number, columns


def _columns(line: str, counts: Collection[int]) -> list[str]:
    if "\t" in line:
        cells = [cell.strip(" \v\f\r") for cell in line.split("\t")]
        if len(cells) in counts and any(cells):
            return cells
    # To trec_eval a no-break space is a part of an id, to str.split it is not.
    return line.split() if line.isascii() else _WORD.findall(line)


def check_id(path: Path | str, number: int, kind: str, value: str) -> None:
    """Checks that a run or judgements can express an id.

    Raises:
        UsageError: The id is empty, or holds white space (a cell between tabs can).
    """
    if not value:
        raise UsageError(f"{path} line {number} has no {kind} id", "fill the empty column")
    if " " in value:
        raise UsageError(
            f"{path} line {number}: the {kind} id '{value}' holds white space",
            "TREC files cannot express such ids; rename it in all files",
        )


def told_columns(columns: list[str]) -> str:
    """Returns the number of columns as an error names it."""
    return counted(len(columns), "column")


def plain_number(text: str) -> str:
    """Returns the text of a number.

    Raises:
        ValueError: Only Python takes it for one, and no other reader of TREC files does.
    """
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return text


def whole_number(text: str) -> int | None:
    """Returns a grade or a rank, which table programs may write as 1.0; None for other texts."""
    head, point, rest = text.partition(".")
    if point and (not rest or rest.strip("0")):
        return None
    try:
        return int(head if head.isdigit() and head.isascii() else plain_number(head))
    except ValueError:
        return None
