"""A folder is what is in it; a model id is a commit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from offline_hub import fetch, without_network

from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.models.model_source import folder_digest, model_identity, pinned_model

OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    for name in ("config.json", "model.safetensors", "vocab.txt", "merges.txt", "spiece.model"):
        (made / name).write_text(name)
    return made


def test_a_copy_is_the_same_model(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert model_identity(str(copy)) == model_identity(str(folder))
    assert model_identity(str(folder)) == f"sha256:{folder_digest(folder)}"


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "vocab.txt", "merges.txt", "spiece.model"]
)
def test_every_file_that_loaders_read_counts(folder: Path, name: str) -> None:
    before = folder_digest(folder)
    (folder / name).write_text("other")
    assert folder_digest(folder) != before
    (folder / name).unlink()
    assert folder_digest(folder) != before


def test_where_and_how_it_was_made_does_not_count(folder: Path) -> None:
    before = folder_digest(folder)
    (folder / "README.md").write_text("a card")
    (folder / "rankgen.json").write_text("{}")
    (folder / ".rankgen").mkdir()
    (folder / ".rankgen" / "recipe.json").write_text("{}")
    assert folder_digest(folder) == before


def test_one_byte_in_the_middle_of_large_weights_counts(folder: Path) -> None:
    weights = folder / "model.safetensors"
    with weights.open("wb") as file:
        file.truncate(65 << 20)
    before = folder_digest(folder)
    with weights.open("r+b") as file:
        file.seek(32 << 20)
        file.write(b"\x01")
    assert folder_digest(folder) != before


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a machine without a network that has fetched some/model at OLD and NEW."""
    without_network(monkeypatch, tmp_path / "hub")
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    fetch(tmp_path / "hub", "some/model", OLD, model)
    return fetch(tmp_path / "hub", "some/model", NEW, model)


@pytest.mark.usefixtures("hub")
def test_an_id_is_pinned_to_its_commit() -> None:
    assert pinned_model("some/model") == f"some/model@{NEW}"
    assert pinned_model(f"some/model@{OLD}") == f"some/model@{OLD}"
    assert pinned_model("some/model", held=f"some/model@{OLD}") == f"some/model@{OLD}"
    assert pinned_model("some/model", held=f"other/model@{OLD}") == f"some/model@{NEW}"
    assert pinned_model("some/model@main", held=f"some/model@{OLD}") == f"some/model@{NEW}"


@pytest.mark.usefixtures("hub")
def test_what_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        EnvironmentProblem, match="some/other is not a folder and cannot be downloaded"
    ):
        pinned_model("some/other")
    with pytest.raises(UsageError, match="there is no such folder"):
        pinned_model(str(tmp_path / "none"))
    with pytest.raises(UsageError, match="a/b/c is not a folder and cannot be loaded"):
        pinned_model("a/b/c")
