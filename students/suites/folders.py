"""The tasks of a local folder: a folder each in BEIR's layout, or all in NanoBEIR's layout."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path

from rankgen.manifests.errors import UsageError
from rankgen.retrieval.collections.tabular import SUFFIXES
from rankgen.students.suites.listed import LISTS, listed_files, splits_of
from rankgen.students.suites.tasks import SuiteTask, TaskFiles

RUN = "bm25.run"


def folder_tasks(folder: Path, only: Collection[str] = ()) -> tuple[SuiteTask, ...]:
    """Returns the tasks of a folder, by name.

    Args:
        folder: Either of folders in BEIR's layout (`corpus.jsonl`, `queries.jsonl`,
            `qrels/test.tsv`, and `bm25.run` where it has its own lists), or in the layout of a
            data set like NanoBEIR's, with the parts corpus, queries, qrels and bm25.
        only: The folders that are looked into; none for all.

    Raises:
        UsageError: It holds no task, or a task without one of its files.
    """
    if (folder / LISTS).is_dir():
        return tuple(
            SuiteTask(
                split.removeprefix("Nano"),
                partial(listed_files, str(folder), split, adds_positives=True),
                f"{folder} {split}",
            )
            for split in splits_of(str(folder))
        )
    if any((folder / f"corpus{suffix}").is_file() for suffix in SUFFIXES):
        raise UsageError(
            f"{folder} is one collection, not a folder of several",
            f"name the folder above it: --suite {folder.absolute().parent} --task {folder.name}",
        )
    parts = sorted(part for part in folder.iterdir() if part.is_dir() and part.name[0] != ".")
    if not parts:
        raise UsageError(
            f"{folder} holds no task of a suite",
            "put one folder a task there: corpus.jsonl, queries.jsonl and qrels/test.tsv",
        )
    return tuple(_task(part) for part in parts if not only or part.name in only)


def _task(folder: Path) -> SuiteTask:
    qrels = folder / "qrels" / "test.tsv"
    for part in ("corpus", "queries"):
        if not any((folder / f"{part}{suffix}").is_file() for suffix in SUFFIXES):
            raise _missing(folder, f"{part}.jsonl")
    if not qrels.is_file():
        raise _missing(folder, "qrels/test.tsv")
    run = folder / RUN
    files = TaskFiles(str(folder), qrels, "test", run if run.is_file() else None)
    return SuiteTask(folder.name, lambda _: files, str(folder))


def _missing(folder: Path, name: str) -> UsageError:
    return UsageError(
        f"the task {folder.name} of the suite {folder.parent} has no {name}",
        "add the file, or choose the other tasks: --task NAME",
    )
