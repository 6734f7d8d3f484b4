"""Finds the collection that a command line names."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.trec import read_qrels
from rankgen.retrieval.collection import Collection, DocumentSource, QuerySource
from rankgen.retrieval.irds import IrdsDocuments, IrdsQueries, irds_qrels
from rankgen.retrieval.tabular import TabularDocuments, TabularQueries, table_in

IRDS_PREFIX = "irds:"


def open_collection(
    spec: str,
    *,
    corpus: Path | None = None,
    queries: Path | None = None,
    split: str | None = None,
) -> Collection:
    """Returns the collection that `spec` names; nothing is read yet but names.

    Args:
        spec: A folder (BEIR's layout, or any with `corpus.*` and `queries.*` in JSONL, TSV or
            Parquet), `irds:ID` for the ir_datasets catalogue, or "" when both files are named.
        corpus: A file of documents that takes the place of the named collection's.
        queries: A file of queries that takes the place of the named collection's.
        split: Keep only the queries that the folder's `qrels/SPLIT.tsv` judges, such as "test".

    Raises:
        UsageError: There is no such collection, file or split.
        EnvironmentProblem: `irds:` is asked for and ir_datasets is not installed.
    """
    if spec.startswith(IRDS_PREFIX):
        if split is not None:
            raise UsageError(
                f"a split such as '{split}' belongs to a BEIR folder, not to {spec}",
                f"name the subset itself, such as {spec}/{split}",
            )
        dataset_id = spec.removeprefix(IRDS_PREFIX)
        documents: DocumentSource = (
            TabularDocuments(_file(corpus)) if corpus else IrdsDocuments(dataset_id)
        )
        topics: QuerySource = TabularQueries(_file(queries)) if queries else IrdsQueries(dataset_id)
        judgements = None if queries else irds_qrels(dataset_id)
        return Collection(spec, documents, topics, judgements)
    folder = Path(spec)
    if not (corpus and queries) and not (spec and folder.is_dir()):
        raise UsageError(
            f"there is no collection folder '{spec}'",
            "name a folder with corpus.jsonl and queries.jsonl, or irds:ID",
        )
    judged = _judged_queries(folder, split) if split is not None else None
    return Collection(
        folder.resolve().name if spec else _file(corpus).stem,
        TabularDocuments(_file(corpus) if corpus else table_in(folder, "corpus")),
        TabularQueries(_file(queries) if queries else table_in(folder, "queries"), judged),
        partial(read_qrels, folder / "qrels" / f"{split}.tsv") if split is not None else None,
    )


def _file(path: Path | None) -> Path:
    if path is None or not path.is_file():
        raise UsageError(f"there is no file {path}", "check the path")
    return path


def _judged_queries(folder: Path, split: str) -> frozenset[str]:
    path = folder / "qrels" / f"{split}.tsv"
    if not path.is_file():
        known = [found.stem for found in (folder / "qrels").glob("*.tsv")]
        hint = did_you_mean(split, known) if known else "leave the split out"
        raise UsageError(f"{folder} has no judgements called '{split}'", hint)
    return frozenset(read_qrels(path))
