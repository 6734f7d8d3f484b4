"""Documents and queries from the ir_datasets catalogue (`irds:ID`), imported when used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, Protocol, cast

from rankgen.manifests.errors import EnvironmentProblem, UsageError, did_you_mean
from rankgen.manifests.records import Document, Query
from rankgen.manifests.trec import Qrels
from rankgen.retrieval.collections.download_lines import keep_out_tries, reason_with_cause

IRDS_PREFIX = "irds:"


class _Record(Protocol):
    doc_id: str
    query_id: str
    relevance: int
    default_text: Callable[[], str]


class _Dataset(Protocol):
    has_docs: Callable[[], bool]
    has_queries: Callable[[], bool]
    has_qrels: Callable[[], bool]
    docs_iter: Callable[[], Iterable[_Record]]
    queries_iter: Callable[[], Iterable[_Record]]
    qrels_iter: Callable[[], Iterable[_Record]]
    metadata: Callable[[], Mapping[str, Mapping[str, object]]]


class IrdsDocuments:
    """The documents of one ir_datasets data set.

    Args:
        dataset_id: The catalogue's id, such as "msmarco-passage/train".

    Raises:
        EnvironmentProblem: ir_datasets is not installed.
        UsageError: The catalogue has no such data set, or it has no documents.
    """

    def __init__(self, dataset_id: str) -> None:
        self._id, self._dataset = dataset_id, _load_with("documents", dataset_id)

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Yields (catalogue id and number, document); see `DocumentSource`."""
        for number, record in _records(self._id, self._dataset.docs_iter):
            yield f"irds:{self._id} document {number}", _document(record)


class IrdsQueries:
    """The queries of one ir_datasets data set, with `default_text()` as their text.

    The constructor raises what that of `IrdsDocuments` raises.
    """

    def __init__(self, dataset_id: str) -> None:
        self._id, self._dataset = dataset_id, _load_with("queries", dataset_id)

    def queries(self) -> Iterator[tuple[str, Query]]:
        """Yields (catalogue id and number, query); see `QuerySource`."""
        for number, record in _records(self._id, self._dataset.queries_iter):
            where = f"irds:{self._id} query {number}"
            yield where, Query(str(record.query_id), str(record.default_text()))


def irds_qrels(dataset_id: str) -> Callable[[], Qrels] | None:
    """Returns a reader of the data set's judgements, or None if it has none."""
    dataset = _load(dataset_id)
    if not dataset.has_qrels():
        return None

    def read() -> Qrels:
        qrels: Qrels = {}
        for _, record in _records(dataset_id, dataset.qrels_iter):
            judged = qrels.setdefault(str(record.query_id), {})
            judged[str(record.doc_id)] = int(record.relevance)
        return qrels

    return read


def irds_query_count(dataset_id: str) -> int | None:
    """Returns the number of queries that the catalogue names, without any download.

    None if it names none, or ir_datasets is not installed.

    Raises:
        UsageError: The catalogue has no such data set.
    """
    try:
        count = _load(dataset_id).metadata().get("queries", {}).get("count")
    except EnvironmentProblem:
        return None
    return count if isinstance(count, int) else None


def _load(dataset_id: str) -> _Dataset:
    try:
        import ir_datasets
    except ImportError:
        raise EnvironmentProblem(
            f"irds:{dataset_id} needs the package ir_datasets, which is not installed",
            "pip install 'rankgen-distill[retrieval]'",
        ) from None
    keep_out_tries()
    try:
        return cast(_Dataset, ir_datasets.load(dataset_id))
    except KeyError:
        raise UsageError(
            f"ir_datasets has no data set '{dataset_id}'",
            did_you_mean(dataset_id, list(ir_datasets.registry)),
        ) from None


def _load_with(part: Literal["documents", "queries"], dataset_id: str) -> _Dataset:
    dataset = _load(dataset_id)
    has_part, option = dataset.has_docs, "--corpus"
    if part == "queries":
        has_part, option = dataset.has_queries, "--queries"
    if not has_part():
        raise UsageError(
            f"irds:{dataset_id} has no {part}",
            f"name a subset that has some, or a file: {option} FILE",
        )
    return dataset


def _records(
    dataset_id: str, start: Callable[[], Iterable[_Record]]
) -> Iterator[tuple[int, _Record]]:
    try:
        yield from enumerate(start(), start=1)
    # A failed download or a missing licence raises one of a dozen kinds of exception, from
    # ir_datasets, requests, zipfile, tarfile or lzma.
    except Exception as error:
        raise EnvironmentProblem(
            f"irds:{dataset_id} cannot be obtained: {reason_with_cause(error)}",
            f"see https://ir-datasets.com/ for {dataset_id}'s licence and files, then try again",
        ) from error


def _document(record: _Record) -> Document:
    title, text = getattr(record, "title", None), getattr(record, "text", None)
    whole = record.default_text()
    # Keep title and text apart only where together they are the data set's own default text.
    if isinstance(title, str) and isinstance(text, str) and whole == f"{title} {text}":
        return Document(record.doc_id, title, text)
    return Document(record.doc_id, "", whole)
