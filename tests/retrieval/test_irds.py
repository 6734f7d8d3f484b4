from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import ir_datasets
import pytest
from ir_datasets.formats import BaseDocs, BaseQueries, GenericDoc, GenericQuery

from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.records import Document, Query
from rankgen.retrieval.open_collection import open_collection


class TitledDoc(NamedTuple):
    doc_id: str
    title: str
    text: str

    def default_text(self) -> str:
        return f"{self.title} {self.text}"


class DocWithUrl(NamedTuple):
    doc_id: str
    url: str
    title: str
    text: str

    def default_text(self) -> str:
        return f"{self.url} {self.title} {self.text}"


class Docs(BaseDocs):
    def docs_iter(self) -> Iterator[object]:
        yield GenericDoc("1", "plain")
        yield TitledDoc("2", "Title", "text")
        yield DocWithUrl("3", "u", "Title", "text")


class UnreachableDocs(BaseDocs):
    def docs_iter(self) -> Iterator[object]:
        raise RuntimeError("All download sources failed\nsecond line")


class Queries(BaseQueries):
    def queries_iter(self) -> Iterator[object]:
        yield GenericQuery("q", "the query")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = dict(ir_datasets.registry._registered)
    entries["rankgen-test"] = ir_datasets.Dataset(Docs(), Queries())
    entries["rankgen-test/docs-only"] = ir_datasets.Dataset(Docs())
    entries["rankgen-test/unreachable"] = ir_datasets.Dataset(UnreachableDocs(), Queries())
    monkeypatch.setattr(ir_datasets.registry, "_registered", entries)


def test_documents_and_queries_of_a_catalogue_entry() -> None:
    collection = open_collection("irds:rankgen-test")
    assert list(collection.documents()) == [
        Document("1", "", "plain"),
        Document("2", "Title", "text"),
        Document("3", "", "u Title text"),
    ]
    assert list(collection.queries()) == [Query("q", "the query")]


def test_unknown_id_has_a_suggestion() -> None:
    with pytest.raises(UsageError, match="no data set 'rankgen-tset'") as caught:
        open_collection("irds:rankgen-tset")
    assert "'rankgen-test'" in str(caught.value.hint)


def test_an_entry_without_queries_needs_a_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no queries"):
        open_collection("irds:rankgen-test/docs-only")
    queries = tmp_path / "q.tsv"
    queries.write_text("7\tseven\n")
    collection = open_collection("irds:rankgen-test/docs-only", queries=queries)
    assert list(collection.queries()) == [Query("7", "seven")]


def test_a_failed_download_is_one_sentence() -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        open_collection("irds:rankgen-test/unreachable").digest()
    assert caught.value.message == (
        "irds:rankgen-test/unreachable cannot be obtained: All download sources failed"
    )


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(EnvironmentProblem, match="needs the package ir_datasets"):
        open_collection("irds:vaswani")
