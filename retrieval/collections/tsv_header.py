"""Decides whether the first line of a TSV file is a header; a doubtful line is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rankgen.manifests.errors import UsageError
from rankgen.retrieval.collections.column_names import (
    DOCUMENT,
    QUERY,
    ColumnNames,
    find_columns,
    is_known,
)

_NAME = re.compile(r"[^\W\d]{1,30}([.-][^\W\d]{1,30})*")


def is_header(
    where: str, first: Sequence[str], second: Sequence[str] | None, names: ColumnNames
) -> bool:
    """Tells whether the first line is a header.

    A line is a header if it names an id and a text (or a title). Any other line made of names is
    refused if one of them is a usual column name, or if the line below it, unlike itself, has an
    id with a digit and a text of several words.

    Args:
        where: The file and the line, for messages.
        first: The cells of the first line that is not blank.
        second: The cells of the second such line; None without one.
        names: The known names.

    Raises:
        UsageError: The line looks like a header but does not name an id and a text, names a column
            twice, or is quoted.
    """
    quoted = [cell for cell in first if is_quoted(cell)]
    if quoted and all(is_known(names.all, cell.strip('"')) for cell in quoted):
        raise quoting_problem(where, quoted[0])
    found = find_columns(names, tuple(first))
    if found.id is not None and (found.text or found.title) is not None:
        named = [cell for cell in first if cell]
        twice = next((cell for cell in named if named.count(cell) > 1), None)
        if twice is not None:
            raise UsageError(f"{where} names the column '{twice}' twice", "rename one of the two")
        return True
    if all(_NAME.fullmatch(cell.strip()) or is_known(names.all, cell) for cell in first) and (
        any(is_known(DOCUMENT.all + QUERY.all, cell) for cell in first)
        or _is_of_another_shape(first, second)
    ):
        raise UsageError(
            f"{where} looks like a header ({', '.join(first)}) but does not name an id and a text",
            f"name the columns {names.ids[1]} and {names.texts[0]}; if the line is data, put such "
            f"a header above it",
        )
    return False


def is_quoted(cell: str) -> bool:
    """Tells whether a cell is in quotation marks as CSV writers put them."""
    inner = cell[1:-1]
    return len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")


def quoting_problem(where: str, cell: str) -> UsageError:
    """Returns the error for an id or a column name in quotation marks."""
    return UsageError(
        f"{where}: the cell {cell} is quoted, but quotation marks are read as part of a text",
        "write the file as JSONL, or without quoting (pandas: quoting=csv.QUOTE_NONE)",
    )


def _is_of_another_shape(first: Sequence[str], second: Sequence[str] | None) -> bool:
    if second is None or len(second) != len(first):
        return False
    return any(map(str.isdigit, second[0])) and " " in second[-1].strip()
