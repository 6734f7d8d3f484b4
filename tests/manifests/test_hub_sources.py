"""Data sets on the Hub: which files a configuration has, at which commit, with and without it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_data_set import COMMIT, NAME, HubDataSet, hub_data_set
from offline_hub import without_network

from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.forms.files.rows import read_rows
from rankgen.manifests.forms.sources.hub import _matches, hub_source, named_dataset

CARD = """---
configs:
- config_name: scores
  data_files:
  - split: msmarco
    path: scores/msmarco-*.jsonl
  - split: nq
    path: [scores/nq/**]
- config_name: triples
  data_files: other/*.jsonl
- config_name: queries
  data_files:
  - split: msmarco
    path: texts/msmarco.jsonl
  - split: nq
    path: texts/nq.jsonl
---
Some rankings.
"""
FILES = {
    "scores/msmarco-00000-of-00002.jsonl": '{"query_id": 1, "document_ids": [1]}\n',
    "scores/msmarco-00001-of-00002.jsonl": '{"query_id": 2, "document_ids": [1]}\n',
    "scores/nq/deep/a.jsonl": '{"query_id": 3, "document_ids": [1]}\n',
    "other/a.jsonl": '{"query_id": 4, "document_ids": [1]}\n',
    "texts/msmarco.jsonl": '{"query_id": 1, "query": "what"}\n',
    "texts/nq.jsonl": '{"query_id": 3, "query": "why"}\n',
    "notes.txt.md": "no rows",
}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubDataSet]:
    """A data set with a card, on a Hub that the client of this process asks."""
    with hub_data_set({"README.md": CARD, **FILES}, tmp_path / "cache") as served:
        yield served


def queries_of(spec: str) -> list[object]:
    parts = [part for part in hub_source(spec).parts if part.config != "queries"]
    return [row.fields["query_id"] for part in parts for row in read_rows(part)]


def test_a_card_says_which_files_a_configuration_has(hub: HubDataSet) -> None:
    assert queries_of(f"{NAME}:scores") == [1, 2, 3]
    assert queries_of(f"{NAME}:scores:nq") == [3]
    assert queries_of(f"{NAME}@old:triples") == [4]
    source = hub_source(f"{NAME}:scores:nq")
    assert source.told == source.name == f"hf:{NAME}@{COMMIT}"
    # Of the texts only those of the split are fetched.
    assert [part.name for part in source.parts] == [
        f"hf:{NAME}/scores/nq/deep/a.jsonl",
        f"hf:{NAME}/texts/nq.jsonl",
    ]
    assert not any("notes" in path for path in hub.asked)


def test_wrong_names_are_refused(hub: HubDataSet) -> None:
    for spec, fault in (
        (NAME, "several configurations of rankings: scores, triples"),
        (f"{NAME}:scorse", "no configuration 'scorse'"),
        (f"{NAME}:scores:nk", "no split 'nk'"),
        (f"{NAME}@none", "has no such revision"),
        ("some/nothing", "has none of that name"),
        ("rankings", "does not name a data set"),
    ):
        with pytest.raises(UsageError, match=fault):
            hub_source(spec)
    assert hub.asked


def test_folders_are_configurations_without_a_card(hub: HubDataSet) -> None:
    del hub.files["README.md"]
    assert queries_of(f"{NAME}:scores:msmarco") == [1, 2]
    assert queries_of(f"{NAME}:other") == [4]


def test_what_was_downloaded_is_read_without_a_network(
    hub: HubDataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = hub_source(f"{NAME}:triples")
    without_network(monkeypatch, tmp_path / "cache")
    refs = tmp_path / "cache" / f"datasets--{NAME.replace('/', '--')}" / "refs"
    refs.mkdir(exist_ok=True)
    (refs / "main").write_text(COMMIT)
    asked = len(hub.asked)
    assert hub_source(f"{NAME}:triples") == before
    assert len(hub.asked) == asked
    with pytest.raises(EnvironmentProblem, match="the data set hf:some/other cannot be downloaded"):
        hub_source("some/other")


def test_a_hub_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    with hub_data_set(FILES, tmp_path / "cache") as hub:
        hub.stop()
        with pytest.raises(EnvironmentProblem, match=r"cannot be downloaded: .*[Cc]onnect"):
            hub_source(f"{NAME}:triples")


def test_names_and_patterns() -> None:
    assert named_dataset("u/n@r:c:s") == ("u/n", "r", "c", "s")
    assert named_dataset("u/n:c") == ("u/n", None, "c", None)
    for glob, path, fits in (
        ("data/*.jsonl", "data/a.jsonl", True),
        ("data/*.jsonl", "data/deep/a.jsonl", False),
        ("**/*.jsonl", "a.jsonl", True),
        ("data/**", "data/deep/a.jsonl", True),
        ("a.jsonl", "a-jsonl", False),
    ):
        assert _matches(glob, path) is fits
