"""Collections that bring their first stage's lists, in NanoBEIR's layout."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.records import Candidates
from rankgen.manifests.storage.atomic import whole_file
from rankgen.manifests.text_lines import whole_number
from rankgen.manifests.trec import Qrels, write_qrels
from rankgen.manifests.trec.run import write_run
from rankgen.retrieval.collections.hub import hub_rows, hub_splits
from rankgen.students.suites.tasks import DEPTH, TaskFiles

# The part with the lists, which other layouts lack.
LISTS = "bm25"
_QUERY, _DOCUMENTS = "query-id", "corpus-ids"


def splits_of(dataset: str) -> list[str]:
    """Returns the names of the tasks in a data set, as "NanoSciFact"."""
    return hub_splits(dataset, LISTS)


def listed_files(dataset: str, split: str, folder: Path, *, adds_positives: bool) -> TaskFiles:
    """Writes a task as a folder in BEIR's layout with its lists.

    One from the Hub that is there is kept; one of a folder is written again, since people mend
    their own files.

    Args:
        dataset: On the Hub, or a folder of the same layout.
        split: Name of the task in it.
        folder: Where to write; the judgements come last, so with them it is whole.
        adds_positives: Puts relevant documents that a list lacks at its end, as the evaluator of
            sentence-transformers does (`always_rerank_positives`).

    Raises:
        UsageError: The data set has no such task.
        EnvironmentProblem: It cannot be obtained.
        IntegrityProblem: A list or a judgement names a text that the corpus lacks.
    """
    qrels_path, run_path = folder / "qrels" / "test.tsv", folder / "bm25.run"
    files = TaskFiles(str(folder), qrels_path, None, run_path, is_whole=True)
    if qrels_path.is_file() and not Path(dataset).is_dir():
        return files
    where = f"{dataset} {split}"
    qrels = _qrels(hub_rows(dataset, "qrels", split), where)
    held = _write_texts(folder / "corpus.jsonl", hub_rows(dataset, "corpus", split), where)
    topics = _write_texts(folder / "queries.jsonl", hub_rows(dataset, "queries", split), where)
    lists = dict(_lists(hub_rows(dataset, LISTS, split), where))
    for query_id, judged in qrels.items():
        listed = lists.setdefault(query_id, [])
        if adds_positives:
            listed += [d for d, grade in judged.items() if grade > 0 and d not in listed]
        for what, found in (("query", {query_id} - topics), ("document", {*listed} - held)):
            if found:
                raise IntegrityProblem(
                    f"{where}: the {what} {min(found)} of a list has no text",
                    "choose the other tasks: --task NAME",
                )
    kept = (Candidates(query_id, tuple(lists[query_id]), ()) for query_id in sorted(qrels))
    write_run(run_path, (_scored(row) for row in kept), LISTS)
    write_qrels(qrels_path, qrels)
    return files


def _qrels(rows: Iterable[Mapping[str, object]], where: str) -> Qrels:
    qrels: Qrels = {}
    for row in rows:
        named = _column(row, "corpus-id", where)
        # Where there is no grade, what is named is relevant.
        told = row.get("score")
        grade = 1 if told is None else whole_number(str(told))
        if grade is None:
            raise UsageError(
                f"{where}: the grade '{told}' is not a whole number", "grades are whole numbers"
            )
        judged = qrels.setdefault(str(_column(row, _QUERY, where)), {})
        for doc_id in named if isinstance(named, list) else [named]:
            judged[str(doc_id)] = grade
    if not qrels:
        raise UsageError(f"{where} has no judgements", "choose the other tasks: --task NAME")
    return qrels


def _lists(rows: Iterable[Mapping[str, object]], where: str) -> Iterator[tuple[str, list[str]]]:
    for row in rows:
        named = _column(row, _DOCUMENTS, where)
        ids = [str(doc_id) for doc_id in named] if isinstance(named, list) else []
        yield str(_column(row, _QUERY, where)), list(dict.fromkeys(ids))[:DEPTH]


def _column(row: Mapping[str, object], name: str, where: str) -> object:
    if name not in row:
        raise UsageError(
            f"{where} has no column {name}, but {', '.join(row)}",
            "name its columns as those of sentence-transformers/NanoBEIR-en",
        )
    return row[name]


def _write_texts(path: Path, rows: Iterable[Mapping[str, object]], where: str) -> set[str]:
    """Writes rows of `_id`, `text` and perhaps `title`; returns the ids."""
    ids = set()
    with whole_file(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            fields = {name: str(row[name]) for name in ("title", "text") if row.get(name)}
            fields["_id"] = str(_column(row, "_id", where))
            ids.add(fields["_id"])
            file.write(json.dumps({"text": "", **fields}, ensure_ascii=False) + "\n")
    return ids


def _scored(row: Candidates) -> Candidates:
    count = len(row.doc_ids)
    return row._replace(scores=tuple(float(count - place) for place in range(count)))
