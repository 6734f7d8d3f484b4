"""Every suite by name: the only list of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.students.paper.tirex import TASKS as TIREX_TASKS
from rankgen.students.suites.folders import folder_tasks
from rankgen.students.suites.listed import LISTS, listed_files
from rankgen.students.suites.tasks import SuiteTask, catalogued

NANO_BEIR = "sentence-transformers/NanoBEIR-en"
# The evaluator of sentence-transformers leaves out ArguAna and Touche2020 unless they are named.
# fmt: off
_NANO = [
    "ClimateFEVER", "DBPedia", "FEVER", "FiQA2018", "HotpotQA", "MSMARCO", "NFCorpus", "NQ",
    "QuoraRetrieval", "SCIDOCS", "SciFact",
]
_BEIR = [
    "arguana", "climate-fever", "dbpedia-entity/test", "fever/test", "fiqa/test",
    "hotpotqa/test", "msmarco/dev", "nfcorpus/test", "nq", "quora/test", "scidocs",
    "scifact/test", "trec-covid", "webis-touche2020/v2",
]
# fmt: on
_DL = {
    "dl19": "msmarco-passage/trec-dl-2019/judged",
    "dl20": "msmarco-passage/trec-dl-2020/judged",
    "dl21": "msmarco-passage-v2/trec-dl-2021/judged",
    "dl22": "msmarco-passage-v2/trec-dl-2022/judged",
    "dl23": "msmarco-passage-v2/trec-dl-2023/judged",
}
# fmt: off
_BRIGHT = [
    "biology", "earth-science", "economics", "psychology", "robotics", "stackoverflow",
    "sustainable-living", "leetcode", "pony", "aops", "theoremqa-questions",
    "theoremqa-theorems",
]
# fmt: on
# Without Swahili and Yoruba, for which Lucene has no analyzer.
# fmt: off
_MIRACL = [
    "ar", "bn", "de", "en", "es", "fa", "fi", "fr", "hi", "id", "ja", "ko", "ru", "te", "th",
    "zh",
]
# fmt: on


@dataclass(frozen=True)
class Suite:
    """A named collection of tasks.

    Attributes:
        about: What it is, in a few words.
        tasks: In the order of the table.
        adds_positives: Whether relevant documents that the first stage missed are put at the end of
            its lists, as the suite's own evaluator does.
    """

    about: str
    tasks: tuple[SuiteTask, ...]
    adds_positives: bool = False


def nano_task(name: str, dataset: str) -> SuiteTask:
    """Returns a task of a data set in NanoBEIR's layout.

    Args:
        name: Without "Nano".
        dataset: On the Hub, or a folder of the same layout.
    """
    prepare = partial(listed_files, dataset, f"Nano{name}", adds_positives=True)
    return SuiteTask(name, prepare, f"hf:{dataset} Nano{name}")


SUITES = {
    "nanobeir": Suite(
        "NanoBEIR, 11 tasks of 50 queries, with its own BM25 lists",
        tuple(nano_task(name, NANO_BEIR) for name in _NANO),
        adds_positives=True,
    ),
    "beir": Suite(
        "the public tasks of BEIR but CQADupStack",
        tuple(catalogued(name.split("/")[0], f"beir/{name}") for name in _BEIR),
    ),
    "dl": Suite(
        "TREC Deep Learning 2019 to 2023, passages",
        tuple(catalogued(name, dataset_id) for name, dataset_id in _DL.items()),
    ),
    "tirex-free": Suite(
        "the tasks of TIREx whose documents need no contract",
        tuple(
            catalogued(task.dataset_id.replace("/", "-"), task.dataset_id)
            for task in TIREX_TASKS
            if task.has_free_documents
        ),
    ),
    "bright": Suite(
        "BRIGHT, 12 tasks that need reasoning, short documents",
        tuple(catalogued(name, f"bright/{name}", excludes=True) for name in _BRIGHT),
    ),
    "miracl": Suite(
        "MIRACL, the development queries of 16 languages",
        tuple(catalogued(code, f"miracl/{code}/dev", language=code) for code in _MIRACL),
    ),
}


def find_suite(name: str, only: Sequence[str] = ()) -> Suite:
    """Returns a suite, or the part of it that is asked for.

    Args:
        name: Of the registry, or a folder (see `folder_tasks`).
        only: Names of tasks; none for all.

    Raises:
        UsageError: There is no such suite or task.
    """
    if name in SUITES:
        suite = SUITES[name]
    elif Path(name).is_dir():
        tasks = folder_tasks(Path(name), only)
        suite = Suite(f"the folder {name}", tasks, adds_positives=(Path(name) / LISTS).is_dir())
    else:
        raise UsageError(
            f"there is no suite '{name}', and no folder of that name", did_you_mean(name, SUITES)
        )
    known = {task.name: task for task in suite.tasks}
    for task in only:
        if task not in known:
            raise UsageError(f"the suite '{name}' has no task '{task}'", did_you_mean(task, known))
    chosen = tuple(known[task] for task in dict.fromkeys(only)) or suite.tasks
    return Suite(suite.about, chosen, suite.adds_positives)
