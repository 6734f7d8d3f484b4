"""Relevance judgements in TREC form (four columns) or BEIR form (a header and three columns)."""

from __future__ import annotations

from pathlib import Path

from rankgen.manifests.errors import UsageError
from rankgen.manifests.storage.atomic import whole_file
from rankgen.manifests.text_lines import check_id, rows_of, told_columns, whole_number

Qrels = dict[str, dict[str, int]]
SHAPE = "judgements are `query_id 0 doc_id grade` (TREC) or `query-id corpus-id score` (BEIR)"
_HEADERS = {"query-id", "query_id", "qid", "topic", "topic_id"}


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
            if columns[0].lower() in _HEADERS and whole_number(columns[-1]) is None:
                continue
        _check_width(path, number, columns, width, first)
        query_id, doc_id, grade = columns[0], columns[-2], whole_number(columns[-1])
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


def write_qrels(path: Path, qrels: Qrels) -> None:
    """Writes judgements in TREC form, in the order they are given."""
    with whole_file(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as file:
        for query_id, judged in qrels.items():
            for doc_id, grade in judged.items():
                file.write(f"{query_id}\t0\t{doc_id}\t{grade}\n")


def _check_width(path: Path, number: int, columns: list[str], width: int, first: int) -> None:
    if width not in (3, 4):
        hint = SHAPE
        if width == 6:
            hint += "; this looks like a line of a run"
        elif "," in columns[0]:
            hint += ", separated by tabs or spaces and not by commas"
        raise UsageError(
            f"{path} line {number} has {told_columns(columns)}, not three or four", hint
        )
    if len(columns) != width:
        raise UsageError(
            f"{path} line {number} has {told_columns(columns)}, but line {first} has {width}", SHAPE
        )


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
