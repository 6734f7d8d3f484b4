"""What a task of a suite is: a judged collection, and the lists that are re-ranked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rankgen.retrieval.collections.irds import IRDS_PREFIX

# Candidates of a list that students re-rank.
DEPTH = 100
# The grade by which BRIGHT's judgements name documents that no list may hold.
EXCLUDED = -100


@dataclass(frozen=True)
class TaskFiles:
    """What `retrieve` and `evaluate` take of a task.

    Attributes:
        collection: What `--collection` takes.
        qrels: What `--qrels` takes.
        split: The queries of a folder that are judged; None for all.
        run: The lists of its own first stage, best first; None to search by BM25.
        is_whole: Whether those lists are as the suite wants them, however long they are.
    """

    collection: str
    qrels: Path
    split: str | None = None
    run: Path | None = None
    is_whole: bool = False


@dataclass(frozen=True)
class SuiteTask:
    """One task.

    Attributes:
        name: Unique in the suite; also the name of its folder.
        prepare: Obtains its files; takes the folder that they may be written into.
        language: Of its texts, for Lucene's analyzer.
        excludes: Whether the judgements name documents (by `EXCLUDED`) that no list may hold.
        source: Where it comes from, for the record.
    """

    name: str
    prepare: Callable[[Path], TaskFiles]
    source: str
    language: str = "en"
    excludes: bool = False


def catalogued(
    name: str, dataset_id: str, *, language: str = "en", excludes: bool = False
) -> SuiteTask:
    """Returns a task of the ir_datasets catalogue, which is downloaded when it is run."""
    source = IRDS_PREFIX + dataset_id
    return SuiteTask(
        name, lambda _: TaskFiles(source, Path(source)), source, language, excludes=excludes
    )
