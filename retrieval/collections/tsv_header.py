"""Whether the first line of a TSV file names its columns; a doubtful line is refused."""

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
    """Tells a header from data.

    A line is a header where it names an id and a text (or a title). Any other line of names alone
    is refused if one of them is a column's usual name, or if the line below has an id with a digit
    and a text of several words, which the first line has not.

    Args:
        where: The file and the line, for messages.
        first: The cells of the first line that is not blank.
        second: Those of the second; None where there is none.
        names: The names that are known.

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
    if all(_NAME.fullmatch(cell.strip()) for cell in first) and (
        any(is_known(DOCUMENT.all + QUERY.all, cell) for cell in first)
        or _is_of_another_shape(first, second)
    ):
        raise UsageError(
            f"{where} looks like a header ({', '.join(first)}) but does not name an id and a text",
            f"name the columns {names.ids[1]} and {names.texts[0]}; if the line is data, write "
            f"such a header above it",
        )
    return False


def is_quoted(cell: str) -> bool:
    """Says whether a cell stands in quotation marks as CSV writers put them."""
    inner = cell[1:-1]
    return len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")


def quoting_problem(where: str, cell: str) -> UsageError:
    """Returns what to say of an id or a column name in quotation marks."""
    return UsageError(
        f"{where}: the cell {cell} is quoted, and quotation marks are read as part of a text",
        "write the file as JSONL, or without quoting (pandas: quoting=csv.QUOTE_NONE)",
    )


def _is_of_another_shape(first: Sequence[str], second: Sequence[str] | None) -> bool:
    if second is None or len(second) != len(first):
        return False
    return any(map(str.isdigit, second[0])) and " " in second[-1].strip()
