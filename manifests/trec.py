"""TREC run and judgement files, read strictly: an error names the file and the line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from rankgen.manifests.atomic import whole_file
from rankgen.manifests.errors import UsageError

Qrels = dict[str, dict[str, int]]


class RunLine(NamedTuple):
    """One line of a six-column TREC run."""

    query_id: str
    doc_id: str
    rank: int
    score: float


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (line number from 1, line without its newline), splitting on newline only.

    Passages of MS MARCO hold U+0085 and U+2028, at which `str.splitlines` would break.

    Raises:
        UsageError: The file is missing or is not UTF-8.
    """
    number = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}", "check the path") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory, not a file", "name a file in it") from None
    except UnicodeDecodeError as error:
        where = f"{error.reason} at its byte {error.start + 1}"
        raise UsageError(
            f"{path} line {number} is not UTF-8 text ({where})",
            "convert it, for example with iconv",
        ) from None


def read_run(path: Path) -> dict[str, list[RunLine]]:
    """Reads a six-column run, keeping the file's line order within each query.

    Raises:
        UsageError: The file is missing or empty, or a line is not `query Q0 doc rank score tag`,
            or a query lists a document twice.
    """
    run: dict[str, list[RunLine]] = {}
    seen: set[tuple[str, str]] = set()
    for number, line in lines_of(path):
        if not line.strip():
            continue
        parsed = _run_line(path, number, line)
        if (parsed.query_id, parsed.doc_id) in seen:
            raise UsageError(
                f"{path} line {number}: query {parsed.query_id} lists document "
                f"{parsed.doc_id} twice",
                "remove one of the two lines",
            )
        seen.add((parsed.query_id, parsed.doc_id))
        run.setdefault(parsed.query_id, []).append(parsed)
    if not run:
        raise UsageError(f"{path} is empty", "name a six-column TREC run")
    return run


def _run_line(path: Path, number: int, line: str) -> RunLine:
    parts = line.split()
    shape = "a run's line is `query_id Q0 doc_id rank score tag`"
    if len(parts) < 5:
        raise UsageError(f"{path} line {number} has {len(parts)} columns, not six", shape)
    try:
        rank, score = int(parts[3]), float(parts[4])
    except ValueError:
        raise UsageError(
            f"{path} line {number}: rank '{parts[3]}' or score '{parts[4]}' is not a number", shape
        ) from None
    if not math.isfinite(score):
        raise UsageError(f"{path} line {number}: the score {score} is not finite", shape)
    return RunLine(parts[0], parts[2], rank, score)


def trec_eval_order(lines: Iterable[RunLine]) -> list[RunLine]:
    """Sorts as trec_eval does: score descending, ties by document id descending.

    Source: trec_eval form_res_rels.c; the rank column is ignored there.
    """
    return sorted(sorted(lines, key=lambda x: x.doc_id, reverse=True), key=lambda x: -x.score)


def read_qrels(path: Path) -> Qrels:
    """Reads judgements in TREC form (four columns) or BEIR form (header, three columns).

    Raises:
        UsageError: The file is missing or empty, or a line has neither form.
    """
    qrels: Qrels = {}
    for number, line in lines_of(path):
        parts = line.split()
        if not parts or (number == 1 and parts[0] == "query-id"):
            continue
        if len(parts) not in (3, 4):
            raise UsageError(
                f"{path} line {number} has {len(parts)} columns",
                "judgements are `query_id 0 doc_id grade` (TREC) or "
                "`query-id corpus-id score` (BEIR)",
            )
        try:
            grade = int(parts[-1])
        except ValueError:
            raise UsageError(
                f"{path} line {number}: the grade '{parts[-1]}' is not a whole number",
                "grades are whole numbers",
            ) from None
        qrels.setdefault(parts[0], {})[parts[-2]] = grade
    if not qrels:
        raise UsageError(f"{path} holds no judgements", "name a TREC or BEIR qrels file")
    return qrels


def write_qrels(path: Path, qrels: Qrels) -> None:
    """Writes judgements in TREC form, in the order they are given."""
    with whole_file(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as file:
        for query_id, judged in qrels.items():
            for doc_id, grade in judged.items():
                file.write(f"{query_id}\t0\t{doc_id}\t{grade}\n")


def write_run(path: Path, rankings: Iterable[tuple[str, Iterable[str]]], tag: str) -> None:
    """Writes a run with strictly decreasing scores n, n-1, ... 1, so that no order is lost."""
    with whole_file(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as file:
        for query_id, doc_ids in rankings:
            ordered = list(doc_ids)
            for rank, doc_id in enumerate(ordered, start=1):
                score = len(ordered) - rank + 1
                file.write(f"{query_id} Q0 {doc_id} {rank} {score} {tag}\n")
