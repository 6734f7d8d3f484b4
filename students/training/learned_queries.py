"""Which queries a student learned from, kept beside it as digests, so that no test uses them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from rankgen.manifests.storage.atomic import write_whole
from rankgen.manifests.storage.digest import sha256_of_lines
from rankgen.students.model.families.layout import source_file

# One digest a line. A file that loaders read would be part of the student's identity.
LEARNED_FILE = "learned_queries.sha256"
# 64 bits: among a million queries no two are likely to share one.
_DIGITS = 16


def plain_text(text: str) -> list[str]:
    """Returns a query's words, whatever their case and spacing."""
    return text.casefold().split()


def query_digest(query_id: str, text: str) -> str:
    """Returns the digest of a query: collections use the same ids for other texts."""
    return sha256_of_lines((query_id, *plain_text(text)))[:_DIGITS]


def query_digests(queries: Mapping[str, str]) -> frozenset[str]:
    """Returns the digests of queries, text by id."""
    return frozenset(query_digest(query_id, text) for query_id, text in queries.items())


def write_learned(folder: Path, digests: Iterable[str]) -> None:
    """Writes the digests of the queries that a student in `folder` learned from."""
    text = "".join(f"{digest}\n" for digest in sorted(digests))
    write_whole(folder / LEARNED_FILE, text.encode())


def learned_by(student: str) -> frozenset[str] | None:
    """Returns the digests of the queries that a student learned from; None where it keeps none.

    Public re-rankers and students of earlier versions keep none.

    Args:
        student: A folder, or "ID@COMMIT".
    """
    path = source_file(student, LEARNED_FILE)
    return None if path is None else frozenset(path.read_text(encoding="utf-8").split())


def learned_among(learned: frozenset[str], queries: Mapping[str, str]) -> list[str]:
    """Returns the ids of the queries, text by id, that were learned, in order."""
    return sorted(q for q, text in queries.items() if query_digest(q, text) in learned)


def unknown_notice(student: str, where: str) -> str:
    """Returns the sentence on a student that does not say what it learned from."""
    return (
        f"{student} keeps no {LEARNED_FILE}, so that nobody can tell whether it learned from "
        f"queries of {where}"
    )
