"""`rankgen publish` and `rankgen verify` as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_runs import write_candidates, write_labels
from typer.testing import CliRunner, Result

from rankgen.generator.cli import app
from rankgen.manifests.run.run_directory import RunDirectory


@pytest.fixture
def labels(tmp_path: Path) -> RunDirectory:
    return write_labels(tmp_path / "labels", write_candidates(tmp_path / "candidates", 12))


def typed(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def test_a_run_is_published_and_verified(labels: RunDirectory, tmp_path: Path) -> None:
    command = ("publish", labels.root, "--to", tmp_path / "out", "--json")
    dry = json.loads(typed(*command, "--dry-run").stdout)
    assert not (tmp_path / "out").exists()
    assert dry["card"].startswith("---\n")
    done = json.loads(typed(*command).stdout)
    assert done["where"] == str(tmp_path / "out")
    assert set(dry["files"]) < set(done["files"])
    assert done["bytes"] == sum(done["files"].values())
    assert json.loads(typed(*command).stdout)["was_published"]
    shown = typed("verify", tmp_path / "out").stdout
    assert f"{tmp_path / 'out'}: published, {len(done['files']) - 1} files, 0 problems" in shown
    (tmp_path / "out" / "README.md").write_text("changed")
    found = json.loads(typed("verify", tmp_path / "out", "--json", "--full", code=5).stdout)
    assert "README.md has changed" in found["problems"][0]
    refused = typed("verify", tmp_path / "out", "--relabel", 2, code=2).stderr
    assert "has no teacher to label again with" in refused


def test_a_dry_run_shows_files_sizes_and_card(labels: RunDirectory, tmp_path: Path) -> None:
    shown = typed("publish", labels.root, "--to", "hf:somebody/set", "--dry-run").stdout
    assert " kB  rankings/train-00000-of-00001.parquet\n" in shown
    assert "about 3 files" in shown
    assert 'load_dataset("somebody/set", "rankings", split="train")' in shown


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--with-text",), 2, "cannot be published without its licence"),
        (("--file-mb", "0"), 2, "file_mb must be above 0"),
        (("--citation", "none.bib"), 2, "the citation none.bib cannot be read"),
        (("--private",), 2, "--private and --revision are of the Hugging Face Hub"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    labels: RunDirectory, tmp_path: Path, more: tuple[str, ...], code: int, said: str
) -> None:
    shown = typed("publish", labels.root, "--to", tmp_path / "out", *more, code=code).stderr
    assert said in shown
    assert "hint: " in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "out").exists()


def test_a_half_finished_run_is_incomplete(tmp_path: Path) -> None:
    candidates = write_candidates(tmp_path / "candidates", 12)
    run = write_labels(tmp_path / "run", candidates, committed=1)
    command = ("publish", run.root, "--to", tmp_path / "out")
    assert "--partial" in typed(*command, code=4).stderr
    typed(*command, "--partial")


def test_a_publisher_s_own_citation_is_on_the_card(labels: RunDirectory, tmp_path: Path) -> None:
    own = tmp_path / "own.bib"
    own.write_text("@misc{me:2026,\n  title = {Mine}\n}\n", encoding="utf-8")
    command = ("publish", labels.root, "--to", tmp_path / "out", "--citation", own)
    typed(*command)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "```bibtex\n@misc{me:2026,\n  title = {Mine}\n}\n```" in card
    # The card is part of what was published.
    own.write_text("@misc{me:2027}", encoding="utf-8")
    typed(*command)
    assert "me:2027" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
