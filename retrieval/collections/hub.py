"""Documents, queries and judgements from a Hugging Face data set (`hf:NAME`) in BEIR's layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import cast

from rankgen.manifests.errors import EnvironmentProblem, RankgenError, UsageError, reason_of
from rankgen.manifests.records import Document, Query
from rankgen.manifests.trec import Qrels
from rankgen.retrieval.collections.download_lines import keep_out_tries, reason_with_cause
from rankgen.retrieval.collections.tabular import document_of, query_of

# Where copies of BEIR on the Hub keep judgements: in a configuration, or in another data set.
_QRELS = (("", "qrels"), ("", "default"), ("-qrels", None))


class HubDocuments:
    """The configuration `corpus` of a data set on the Hub or in a folder, streamed."""

    def __init__(self, dataset: str) -> None:
        self._dataset = dataset

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Yields (data set and row, document); see `DocumentSource`."""
        for number, fields in enumerate(hub_rows(self._dataset, "corpus"), start=1):
            where = f"hf:{self._dataset} corpus row {number}"
            yield where, document_of(where, fields)


class HubQueries:
    """The configuration `queries` of a data set; `only` returns the ids to keep."""

    def __init__(self, dataset: str, only: Callable[[], frozenset[str]] | None = None) -> None:
        self._dataset, self._only = dataset, only

    def queries(self) -> Iterator[tuple[str, Query]]:
        """Yields (data set and row, query); see `QuerySource`."""
        kept = None if self._only is None else self._only()
        for number, fields in enumerate(hub_rows(self._dataset, "queries"), start=1):
            where = f"hf:{self._dataset} queries row {number}"
            query = query_of(where, fields)
            if kept is None or query.query_id in kept:
                yield where, query


def hub_qrels(dataset: str, split: str) -> Qrels:
    """Reads the judgements of a split, such as "test".

    Raises:
        UsageError: The data set has no such judgements.
        EnvironmentProblem: The data set itself cannot be obtained.
    """
    problem: RankgenError | None = None
    for suffix, configuration in _QRELS:
        try:
            qrels: Qrels = {}
            for row in hub_rows(dataset + suffix, configuration, split):
                grade = int(str(row["score"]))
                qrels.setdefault(str(row["query-id"]), {})[str(row["corpus-id"])] = grade
            return qrels
        except (UsageError, EnvironmentProblem) as error:
            problem = problem or error
        except (KeyError, ValueError):
            continue
    if isinstance(problem, EnvironmentProblem):
        raise problem
    raise UsageError(
        f"hf:{dataset} has no judgements called '{split}'", "omit the split"
    ) from problem


def hub_splits(dataset: str, configuration: str) -> list[str]:
    """Returns the names of the splits of a data set's configuration.

    Raises:
        UsageError: There is no such configuration.
        EnvironmentProblem: The data set cannot be obtained.
    """
    with _told(dataset, configuration):
        import datasets

        return [str(name) for name in datasets.get_dataset_split_names(dataset, configuration)]


def hub_rows(
    dataset: str, configuration: str | None, split: str | None = None
) -> Iterator[Mapping[str, object]]:
    """Yields the rows of a data set on the Hub, or in a folder of the same layout.

    Args:
        dataset: Its id, or the folder.
        configuration: A part of it, such as "corpus"; None for its only one.
        split: One split; None for all, one after the other.

    Raises:
        UsageError: There is no such configuration or split.
        EnvironmentProblem: The data set cannot be obtained.
    """
    with _told(dataset, configuration, split):
        import datasets

        found = datasets.load_dataset(dataset, configuration, split=split, streaming=True)
        parts = [found] if split is not None else list(found.values())
        for part in parts:
            yield from cast(Iterable[Mapping[str, object]], part)


@contextmanager
def _told(dataset: str, configuration: str | None, split: str | None = None) -> Iterator[None]:
    """Turns what the package `datasets` raises into errors of one sentence."""
    try:
        import datasets
    except ImportError:
        raise EnvironmentProblem(
            f"hf:{dataset} needs the package datasets, which is not installed",
            "pip install datasets",
        ) from None
    keep_out_tries()
    try:
        yield
    # The configuration or the split is unknown.
    except ValueError as error:
        part = " ".join(filter(None, (configuration or "data", split)))
        raise UsageError(
            f"hf:{dataset} has no {part}: {reason_of(error)}",
            "name a data set with the configurations corpus and queries, such as BeIR/scifact",
        ) from None
    # The data set does not exist, or the Hub does not answer.
    except (OSError, datasets.exceptions.DatasetsError) as error:
        raise EnvironmentProblem(
            f"hf:{dataset} cannot be obtained: {reason_with_cause(error)}",
            "check its name and the connection, or log in with `hf auth login`",
        ) from None
