"""TREC run and judgement files, read strictly: an error names the file and the line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from rankgen.manifests.errors import UsageError
from rankgen.manifests.score_order import trec_eval_places
from rankgen.manifests.storage.atomic import whole_file
from rankgen.manifests.text_lines import check_id, rows_of

Qrels = dict[str, dict[str, int]]
RUN_SHAPE = "a run's line is `query_id Q0 doc_id rank score tag`"
QRELS_SHAPE = "judgements are `query_id 0 doc_id grade` (TREC) or `query-id corpus-id score` (BEIR)"
_HEADERS = {"query-id", "query_id", "qid", "topic", "topic_id"}
_MOST_RANK = 2**63 - 1


class RunLine(NamedTuple):
    """One line of a six-column TREC run."""

    query_id: str
    doc_id: str
    rank: int
    score: float


def run_lines(path: Path) -> Iterator[tuple[int, RunLine]]:
    """Yields (line number, line) of a six-column run, in the file's order.

    Raises:
        UsageError: The file is missing or empty, or a line is not `query Q0 doc rank score tag`.
    """
    is_empty = True
    for number, columns in rows_of(path, (6,)):
        is_empty = False
        yield number, _run_line(path, number, columns)
    if is_empty:
        raise UsageError(f"{path} is empty", "name a six-column TREC run")


def read_run(path: Path) -> dict[str, list[RunLine]]:
    """Reads a six-column run, keeping the file's line order within each query.

    Raises:
        UsageError: See `run_lines`; also a query that lists a document twice.
    """
    run: dict[str, list[RunLine]] = {}
    seen: set[tuple[str, str]] = set()
    for number, line in run_lines(path):
        pair = (line.query_id, line.doc_id)
        if pair in seen:
            first = next(n for n, x in run_lines(path) if (x.query_id, x.doc_id) == pair)
            raise UsageError(
                f"{path} line {number}: query {line.query_id} lists document {line.doc_id} twice "
                f"(first in line {first})",
                "remove one of the two lines",
            )
        seen.add(pair)
        run.setdefault(line.query_id, []).append(line)
    return run


def _run_line(path: Path, number: int, columns: list[str]) -> RunLine:
    if len(columns) != 6:
        hint = RUN_SHAPE
        if len(columns) > 6:
            hint += "; put tabs between the columns if the tag holds a space"
        elif len(columns) in (3, 4):
            hint += "; this looks like a line of judgements"
        raise UsageError(f"{path} line {number} has {_columns(columns)}, not six", hint)
    query_id, _, doc_id, rank_text, score_text, _ = columns
    check_id(path, number, "query", query_id)
    check_id(path, number, "document", doc_id)
    try:
        rank, score = _whole_number(rank_text), float(_plain(score_text))
    except ValueError:
        rank, score = None, 0.0
    if rank is None:
        raise UsageError(
            f"{path} line {number}: rank '{rank_text}' or score '{score_text}' is not a number",
            RUN_SHAPE,
        )
    if not math.isfinite(score):
        raise UsageError(f"{path} line {number}: the score {score} is not finite", RUN_SHAPE)
    if abs(rank) > _MOST_RANK:
        raise UsageError(f"{path} line {number}: the rank {rank} is too large", RUN_SHAPE)
    return RunLine(query_id, doc_id, rank, score)


def _columns(columns: list[str]) -> str:
    return "1 column" if len(columns) == 1 else f"{len(columns)} columns"


def _plain(text: str) -> str:
    """Refuses what Python takes for a number and no other reader of TREC files does."""
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return text


def trec_eval_order(lines: Iterable[RunLine]) -> list[RunLine]:
    """Sorts one query's lines as trec_eval does; the rank column is ignored there."""
    given = list(lines)
    places = trec_eval_places([line.doc_id for line in given], [line.score for line in given])
    return [given[place] for place in places]


def read_qrels(path: Path) -> Qrels:
    """Reads judgements in TREC form (four columns) or BEIR form (header, three columns).

    The first line tells the form, and every line has it. A pair may be judged twice if both
    judgements agree.

    Raises:
        UsageError: The file is missing or empty, a line has another form, or a pair has two grades.
    """
    qrels: Qrels = {}
    width, first = 0, 0
    for number, columns in rows_of(path, (3, 4)):
        if not width:
            width, first = len(columns), number
            if columns[0].lower() in _HEADERS and _whole_number(columns[-1]) is None:
                continue
        _check_width(path, number, columns, width, first)
        query_id, doc_id, grade = columns[0], columns[-2], _whole_number(columns[-1])
        check_id(path, number, "query", query_id)
        check_id(path, number, "document", doc_id)
        if grade is None:
            raise UsageError(
                f"{path} line {number}: the grade '{columns[-1]}' is not a whole number",
                "grades are whole numbers",
            )
        judged = qrels.setdefault(query_id, {})
        if judged.setdefault(doc_id, grade) != grade:
            raise _two_grades(path, number, query_id, doc_id, (judged[doc_id], grade))
    if not qrels:
        raise UsageError(f"{path} holds no judgements", "name a TREC or BEIR qrels file")
    return qrels


def _check_width(path: Path, number: int, columns: list[str], width: int, first: int) -> None:
    if width not in (3, 4):
        hint = QRELS_SHAPE
        if width == 6:
            hint += "; this looks like a line of a run"
        elif "," in columns[0]:
            hint += ", separated by tabs or spaces and not by commas"
        raise UsageError(f"{path} line {number} has {_columns(columns)}, not three or four", hint)
    if len(columns) != width:
        raise UsageError(
            f"{path} line {number} has {_columns(columns)}, but line {first} has {width}",
            QRELS_SHAPE,
        )


def _whole_number(text: str) -> int | None:
    """Returns a grade or a rank; table programs write 1 as 1.0. None: it is no whole number."""
    head, point, rest = text.partition(".")
    if point and (not rest or rest.strip("0")):
        return None
    try:
        return int(head if head.isdigit() and head.isascii() else _plain(head))
    except ValueError:
        return None


def _two_grades(
    path: Path, number: int, query_id: str, doc_id: str, grades: tuple[int, int]
) -> UsageError:
    pair = (query_id, doc_id)
    first = next(n for n, row in rows_of(path, (3, 4)) if (row[0], row[-2]) == pair)
    return UsageError(
        f"{path} line {number} gives query {query_id} and document {doc_id} the grade {grades[1]}, "
        f"but line {first} gives them {grades[0]}",
        "remove one of the two lines",
    )


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
