"""The notice about judged queries that are missing from a file or a run."""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from decimal import Decimal

_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,2})?")
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+")


def judged_without(
    judged: Collection[str], held: Collection[str], where: str, *, lack: str = "no list"
) -> str | None:
    """Returns a sentence about judged queries that are missing, and why they may be.

    A spreadsheet, or a table library that guesses types, writes the id 007 as 7, 12 as 12.0 and
    1200000000 as 1.2E+09; a person reads the same id, a program another one.

    Args:
        judged: Ids of the judged queries.
        held: Ids of the queries that are there; looking one up must be quick.
        where: Name of what should hold them, such as a file's path.
        lack: What the missing queries do not have there.

    Returns:
        One sentence without a final full stop; None when no judged query is missing.
    """
    absent = [query_id for query_id in judged if query_id not in held]
    if not absent:
        return None
    have = "has" if len(absent) == 1 else "have"
    judged_queries = "judged query" if len(judged) == 1 else "judged queries"
    sentence = (
        f"{len(absent):,} of {len(judged):,} {judged_queries} {have} {lack} in {where} "
        f"(first: {absent[0]})"
    )
    rewritten = _rewritten(absent, held, frozenset(judged))
    if rewritten:
        ours, theirs = rewritten[0]
        sentence += (
            f"; {len(rewritten):,} of these ids would match as numbers ({ours} is {theirs} there): "
            "did a spreadsheet rewrite them?"
        )
    return sentence


def _rewritten(
    absent: Collection[str], held: Collection[str], judged: AbstractSet[str]
) -> list[tuple[str, str]]:
    """Returns (absent id, held id that no judgement names) where both are one number."""
    values = {query_id: _as_number(query_id) for query_id in absent}
    wanted = {value for value in values.values() if value is not None}
    by_value: dict[Decimal, str] = {}
    # There may be millions of ids, so they are read only when a query is missing.
    for query_id in held if wanted else ():
        value = _as_number(query_id)
        if value in wanted and query_id not in judged:
            by_value[value] = min(query_id, by_value.get(value, query_id))
    return [(query_id, by_value[value]) for query_id, value in values.items() if value in by_value]


def _as_number(text: str) -> Decimal | None:
    """Returns the number that a spreadsheet would read in an id; None where it reads text."""
    plain = text.strip("'\"")
    if _THOUSANDS.fullmatch(plain):
        plain = plain.replace(",", "")
    # Decimal also reads the digits of other scripts; a spreadsheet may not.
    return Decimal(plain) if plain.isascii() and _NUMBER.fullmatch(plain) else None
