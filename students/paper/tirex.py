"""The 31 tasks on 14 corpora of TIREx (Fröbe et al., SIGIR 2023), by ir_datasets id."""

from __future__ import annotations

from typing import NamedTuple


class TirexTask(NamedTuple):
    """One task, by its id in ir_datasets.

    Attributes:
        corpus: Name of the corpus in arXiv 2405.07920, Table 2.
        queries: Number of judged queries.
        has_free_documents: Whether the documents are available without a contract; the judgements
            and queries of all tasks are.
    """

    corpus: str
    dataset_id: str
    queries: int
    has_free_documents: bool


TASKS: tuple[TirexTask, ...] = (
    TirexTask("Antique", "antique/test", 200, True),
    TirexTask("Args.me", "argsme/2020-04-01/touche-2020-task-1", 49, True),
    TirexTask("Args.me", "argsme/2020-04-01/touche-2021-task-1", 50, True),
    TirexTask("ClueWeb09", "clueweb09/en/trec-web-2009", 50, False),
    TirexTask("ClueWeb09", "clueweb09/en/trec-web-2010", 50, False),
    TirexTask("ClueWeb09", "clueweb09/en/trec-web-2011", 50, False),
    TirexTask("ClueWeb09", "clueweb09/en/trec-web-2012", 50, False),
    TirexTask("ClueWeb12", "clueweb12/trec-web-2013", 50, False),
    TirexTask("ClueWeb12", "clueweb12/trec-web-2014", 50, False),
    TirexTask("ClueWeb12", "clueweb12/touche-2020-task-2", 50, False),
    TirexTask("ClueWeb12", "clueweb12/touche-2021-task-2", 50, False),
    TirexTask("CORD-19", "cord19/fulltext/trec-covid", 50, True),
    TirexTask("Cranfield", "cranfield", 225, True),
    TirexTask("Disks4+5", "disks45/nocr/trec7", 50, False),
    TirexTask("Disks4+5", "disks45/nocr/trec8", 50, False),
    TirexTask("Disks4+5", "disks45/nocr/trec-robust-2004", 250, False),
    TirexTask("GOV", "gov/trec-web-2002", 50, False),
    TirexTask("GOV", "gov/trec-web-2003", 50, False),
    TirexTask("GOV", "gov/trec-web-2004", 225, False),
    TirexTask("GOV2", "gov2/trec-tb-2004", 50, False),
    TirexTask("GOV2", "gov2/trec-tb-2005", 50, False),
    TirexTask("GOV2", "gov2/trec-tb-2006", 50, False),
    TirexTask("MEDLINE", "medline/2004/trec-genomics-2004", 50, True),
    TirexTask("MEDLINE", "medline/2004/trec-genomics-2005", 50, True),
    TirexTask("MEDLINE", "medline/2017/trec-pm-2017", 30, True),
    TirexTask("MEDLINE", "medline/2017/trec-pm-2018", 50, True),
    TirexTask("MS MARCO", "msmarco-passage/trec-dl-2019/judged", 43, True),
    TirexTask("MS MARCO", "msmarco-passage/trec-dl-2020/judged", 54, True),
    TirexTask("NFCorpus", "nfcorpus/test", 325, True),
    TirexTask("Vaswani", "vaswani", 93, True),
    TirexTask("WaPo", "wapo/v2/trec-core-2018", 50, False),
)

_TRACKS = {
    "dl19": "msmarco-passage/trec-dl-2019/judged",
    "dl20": "msmarco-passage/trec-dl-2020/judged",
}

CORPORA: tuple[str, ...] = tuple(dict.fromkeys(task.corpus for task in TASKS))


def tasks_of(corpus: str) -> tuple[TirexTask, ...]:
    """Returns the tasks of a corpus."""
    return tuple(task for task in TASKS if task.corpus == corpus)


def dataset_of(task: str) -> str:
    """Returns the ir_datasets id of a task of any table.

    Args:
        task: An id in `TASKS`, or a first stage and a track such as "bm25/dl19".
    """
    track = task.rpartition("/")[2]
    return _TRACKS.get(track, task)
