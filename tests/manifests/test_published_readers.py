"""What others read a published data set with: five libraries, Croissant, the card's own code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from made_runs import write_candidates, write_labels

from rankgen.manifests.publishing.publish import Publication
from rankgen.manifests.publishing.settings import PublishSettings
from rankgen.manifests.publishing.snippets import Place, snippets
from rankgen.manifests.run.run_directory import RunDirectory

CONFIGS = ("rankings", "windows", "scores", "queries", "documents")
Row = dict[str, object]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of every configuration, in several files each."""
    root = tmp_path_factory.mktemp("published")
    run = write_labels(root / "labels", write_candidates(root / "candidates", 40))
    settings = PublishSettings(
        to=str(root / "set"), with_text=True, licence="CC-BY-4.0", file_mb=0.006
    )
    Publication(run, settings).publish()
    return root / "set"


@pytest.fixture(autouse=True)
def _own_cache(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, published: Path
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    monkeypatch.chdir(published.parent)


def with_datasets(config: str) -> list[Row]:
    import datasets

    return list(datasets.load_dataset("set", config, split="train"))


def with_polars(config: str) -> list[Row]:
    import polars

    return polars.read_parquet(f"set/{config}/*.parquet").to_dicts()


def with_duckdb(config: str) -> list[Row]:
    import duckdb

    relation = duckdb.sql(f"SELECT * FROM 'set/{config}/*.parquet'")
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def with_pyarrow(config: str) -> list[Row]:
    import pyarrow.parquet

    rows: list[Row] = pyarrow.parquet.read_table(f"set/{config}").to_pylist()
    return rows


def with_pandas(config: str) -> list[Row]:
    import numpy
    import pandas

    rows = pandas.read_parquet(f"set/{config}").to_dict("records")

    def plain(value: object) -> object:
        if isinstance(value, numpy.ndarray):
            return value.tolist()
        # Its own mark for a value that is missing.
        return None if value is None or value != value or value is pandas.NA else value

    return [{str(name): plain(value) for name, value in row.items()} for row in rows]


READERS = [with_datasets, with_polars, with_duckdb, with_pandas]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("read", READERS)
def test_all_libraries_agree_on_every_value(read: Callable[[str], list[Row]], config: str) -> None:
    expected = with_pyarrow(config)
    assert len(expected) > 20
    found = read(config)
    assert [list(row) for row in found] == [list(row) for row in expected]
    assert found == expected


def test_the_data_has_every_kind_of_value() -> None:
    ids = {row["query_id"] for row in with_pyarrow("rankings")}
    assert {"007", "7", 'say "hi"', "日本"} <= ids
    assert any(row["teacher_scores"] is None for row in with_pyarrow("rankings"))
    assert any(row["permutation"] is None for row in with_pyarrow("windows"))
    assert any(row["positive_ids"] is None for row in with_pyarrow("scores"))
    assert len(list(Path("set/rankings").iterdir())) > 1


def code_of(card: str) -> list[tuple[str, str]]:
    """Returns (heading, code) of the card's pieces of Python."""
    return re.findall(r"^([^\n]+):\n\n```python\n(.*?)```", card, re.MULTILINE | re.DOTALL)


def rows_of(table: object) -> list[Row]:
    """Returns the rows of what any of the libraries calls a table, as Arrow hands them on."""
    import pyarrow

    if hasattr(table, "with_format"):
        table = table.with_format("arrow")[:]
    rows: list[Row] = pyarrow.table(table).to_pylist()
    return rows


def test_the_code_on_the_card_runs_and_loads_the_rankings() -> None:
    pieces = code_of(Path("set/README.md").read_text(encoding="utf-8"))
    libraries = ["datasets", "polars", "duckdb", "pyarrow", "pandas", "rankgen"]
    assert [title for title, _ in pieces] == libraries
    expected = with_pyarrow("rankings")
    for title, code in pieces:
        names: dict[str, object] = {}
        exec(code, names)
        assert rows_of(names["rankings"]) == expected, title


def test_croissant_is_valid_and_describes_every_value() -> None:
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld="set/croissant.json")
    issues = dataset.metadata.issues
    assert issues.errors == set()
    (warning,) = issues.warnings
    assert "datePublished" in warning
    (rankings, *_) = json.loads(Path("set/croissant.json").read_text())["recordSet"]
    lists = {field["name"] for field in rankings["field"] if field.get("repeated")}
    aligned = {"doc_ids", "retrieval_positions", "retrieval_scores", "teacher_scores", "chunks"}
    assert lists == aligned | {"unranked"}
    for config in CONFIGS:
        expected = with_pyarrow(config)
        found = [
            {name.removeprefix(f"{config}/"): _decoded(value) for name, value in row.items()}
            for row in dataset.records(config)
        ]
        assert found == expected, config


def _decoded(value: object) -> object:
    """Croissant's texts are bytes, and its values numpy's."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [_decoded(held) for held in value]
    if value is None or value != value:
        return None
    return getattr(value, "item", lambda: value)()


def test_the_front_matter_is_yaml_that_names_every_file() -> None:
    import yaml

    card = Path("set/README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["license"] == "cc-by-4.0"
    assert front["size_categories"] == ["n<1K"]
    assert [config["config_name"] for config in front["configs"]] == list(CONFIGS)
    assert [config.get("default", False) for config in front["configs"]] == [True] + [False] * 4
    for config in front["configs"]:
        (files,) = config["data_files"]
        assert list(Path("set").glob(files["path"]))


def test_the_card_tells_where_the_rankings_are_from() -> None:
    card = Path("set/README.md").read_text(encoding="utf-8")
    for told in ("| teacher | `minilm` |", "| collection | `made-up` |", "2405.07920", "logit"):
        assert told in card, told
    assert "<!-- The publisher's own" in card


def test_code_of_other_places_is_python() -> None:
    places = [Place("hub", "somebody/set", "v1"), Place("s3", "s3://bucket/folder/set")]
    for place in places:
        for piece in snippets(place, "rankings"):
            compile(piece.code, piece.title, "exec")
    assert 'revision="v1"' in snippets(places[0], "rankings")[0].code
    assert 'RunDirectory("hf:somebody/set@v1")' in snippets(places[0], "rankings")[-1].code


def test_a_manifest_names_the_files_that_there_are() -> None:
    statement = json.loads(Path("set/manifest.json").read_text())
    named = {subject["name"] for subject in statement["subject"]}
    assert named == {path.relative_to("set").as_posix() for path in Path("set").glob("*/*")}
    assert RunDirectory("set").has_table("rankings")
