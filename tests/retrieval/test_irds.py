from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import ir_datasets
import pytest
from ir_datasets.formats import (
    BaseDocs,
    BaseQrels,
    BaseQueries,
    GenericDoc,
    GenericQuery,
    TrecQrel,
)
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.records import Document, Query
from rankgen.retrieval.collections.judgements import judgements_sha256, read_judgements
from rankgen.retrieval.collections.open_collection import open_collection


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
        raise RuntimeError(
            "All download sources failed\nsecond line", [(self, OSError("no route"))]
        )


class Queries(BaseQueries):
    def queries_iter(self) -> Iterator[object]:
        yield GenericQuery("q", "the query")


class Judgements(BaseQrels):
    def qrels_iter(self) -> Iterator[object]:
        yield TrecQrel("q", "1", 1, "0")
        yield TrecQrel("q", "3", 0, "0")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = dict(ir_datasets.registry._registered)
    entries["rankgen-test"] = ir_datasets.Dataset(Docs(), Queries())
    entries["rankgen-test/judged"] = ir_datasets.Dataset(Docs(), Queries(), Judgements())
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


def test_judgements_are_named_as_a_collection_is(tmp_path: Path) -> None:
    assert read_judgements(Path("irds:rankgen-test/judged")) == {"q": {"1": 1, "3": 0}}
    file = tmp_path / "qrels"
    file.write_text("q 0 1 1\nq 0 3 0\n")
    assert read_judgements(file) == {"q": {"1": 1, "3": 0}}
    digests = [judgements_sha256(each) for each in (Path("irds:rankgen-test/judged"), file)]
    assert [len(digest) for digest in digests] == [64, 64]
    with pytest.raises(UsageError, match="irds:rankgen-test has no judgements"):
        read_judgements(Path("irds:rankgen-test"))


def test_evaluate_takes_catalogued_judgements(tmp_path: Path) -> None:
    (tmp_path / "mine.trec").write_text("q Q0 3 1 2 t\nq Q0 1 2 1 t\n")
    command = ["evaluate", "--qrels", "irds:rankgen-test/judged", "--run", tmp_path / "mine.trec"]
    command += ["--measure", "RR@10", "--json", "--out", tmp_path / "out"]
    shown = CliRunner().invoke(app, [str(part) for part in command])
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["systems"][0]["measures"] == {"RR@10": 0.5}
