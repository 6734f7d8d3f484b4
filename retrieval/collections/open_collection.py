"""Opens the collection that a command line names."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.trec import read_qrels
from rankgen.retrieval.bm25.index_documents import IndexDocuments
from rankgen.retrieval.bm25.stored_index import find_index
from rankgen.retrieval.collections.collection import Collection, DocumentSource, QuerySource
from rankgen.retrieval.collections.hub import HubDocuments, HubQueries, hub_qrels
from rankgen.retrieval.collections.irds import IRDS_PREFIX, IrdsDocuments, IrdsQueries, irds_qrels
from rankgen.retrieval.collections.tabular import (
    SUFFIXES,
    TabularDocuments,
    TabularQueries,
    table_in,
)
from rankgen.retrieval.collections.unpacked import unpacked_folder

HUB_PREFIX = "hf:"


def open_collection(
    spec: str,
    *,
    corpus: Path | None = None,
    queries: Path | None = None,
    split: str | None = None,
    index: str | None = None,
) -> Collection:
    """Returns the collection that `spec` names, before any text is read.

    Args:
        spec: A folder (BEIR's layout, or any with `corpus.*` and `queries.*` in JSONL, TSV or
            Parquet) or its zip file, `irds:ID` for the ir_datasets catalogue, `hf:NAME` for a
            Hugging Face data set in BEIR's layout, or "" if both files are given.
        corpus: A file of documents that replaces those of the named collection.
        queries: A file of queries that replaces those of the named collection.
        split: Keep only the queries judged in the folder's `qrels/SPLIT.tsv`, such as "test".
        index: A Lucene index (see `find_index`) that documents are read from where there is no
            file of documents.

    Raises:
        UsageError: There is no such collection, file or split.
        EnvironmentProblem: A package that `spec` needs is not installed.
    """
    if spec.startswith(IRDS_PREFIX):
        return _from_irds(spec, corpus, queries, split, index)
    if spec.startswith(HUB_PREFIX):
        return _from_hub(spec, corpus, queries, split, index)
    return _from_files(spec, corpus, queries, split, index)


def _from_irds(
    spec: str, corpus: Path | None, queries: Path | None, split: str | None, index: str | None
) -> Collection:
    if split is not None:
        raise UsageError(
            f"a split such as '{split}' does not apply to {spec}, only to a BEIR folder",
            f"name the subset itself, such as {spec}/{split}",
        )
    dataset_id = spec.removeprefix(IRDS_PREFIX)
    documents = _named_documents(corpus, index) or IrdsDocuments(dataset_id)
    topics: QuerySource = TabularQueries(_file(queries)) if queries else IrdsQueries(dataset_id)
    return Collection(spec, documents, topics, None if queries else irds_qrels(dataset_id))


def _from_hub(
    spec: str, corpus: Path | None, queries: Path | None, split: str | None, index: str | None
) -> Collection:
    dataset = spec.removeprefix(HUB_PREFIX)
    judgements = partial(hub_qrels, dataset, split) if split is not None else None
    judged = None if judgements is None else lambda: frozenset(judgements())
    documents = _named_documents(corpus, index) or HubDocuments(dataset)
    topics: QuerySource = TabularQueries(_file(queries)) if queries else HubQueries(dataset, judged)
    return Collection(spec, documents, topics, judgements)


def _from_files(
    spec: str, corpus: Path | None, queries: Path | None, split: str | None, index: str | None
) -> Collection:
    folder = unpacked_folder(Path(spec)) if Path(spec).suffix == ".zip" else Path(spec)
    is_folder = bool(spec) and folder.is_dir()
    holds_corpus = is_folder and any((folder / f"corpus{suffix}").is_file() for suffix in SUFFIXES)
    documents = _named_documents(corpus, None if holds_corpus else index)
    if not (documents and queries) and not is_folder:
        raise UsageError(
            f"there is no collection folder '{spec}'",
            "name a folder with corpus.jsonl and queries.jsonl, its zip file, irds:ID or hf:NAME",
        )
    judged = _judged_queries(folder, split) if split is not None else None
    return Collection(
        folder.resolve().name if spec else _file(corpus or queries).stem,
        documents or TabularDocuments(table_in(folder, "corpus")),
        TabularQueries(_file(queries) if queries else table_in(folder, "queries"), judged),
        partial(read_qrels, folder / "qrels" / f"{split}.tsv") if split is not None else None,
    )


def _named_documents(corpus: Path | None, index: str | None) -> DocumentSource | None:
    """Returns the documents that options name apart from the collection, or None without any."""
    if corpus is not None:
        return TabularDocuments(_file(corpus))
    return None if index is None else IndexDocuments(find_index(index))


def _file(path: Path | None) -> Path:
    if path is None or not path.is_file():
        raise UsageError(f"there is no file {path}", "check the path")
    return path


def _judged_queries(folder: Path, split: str) -> frozenset[str]:
    path = folder / "qrels" / f"{split}.tsv"
    if not path.is_file():
        known = [found.stem for found in (folder / "qrels").glob("*.tsv")]
        hint = did_you_mean(split, known) if known else "omit the split"
        raise UsageError(f"{folder} has no judgements called '{split}'", hint)
    return frozenset(read_qrels(path))
