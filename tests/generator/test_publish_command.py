"""`rankgen publish` and `rankgen verify` as typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from made_runs import write_candidates, write_labels
from typer.testing import CliRunner, Result

from rankgen.generator.cli import app
from rankgen.manifests.run.provenance import read_predicate
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.teacher_scores import TeacherScores, Unit


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


def collection_of(candidates: RunDirectory, folder: Path) -> Path:
    """Writes the texts of a run as a collection."""
    folder.mkdir()
    for table, name, key in (("queries", "queries", "query_id"), ("documents", "corpus", "doc_id")):
        rows = candidates.read(table).to_pylist()
        lines = [json.dumps({**row, "_id": row.pop(key)}, ensure_ascii=False) for row in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("unit", ["logit", "run score", None])
def test_the_card_s_commands_make_a_run_with_texts_of_a_bare_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: Unit | None
) -> None:
    candidates = write_candidates(tmp_path / "candidates", 12, spaces=False)
    scores = None if unit is None else TeacherScores(unit=unit, source="minilm")
    labels = write_labels(tmp_path / "labels", candidates, scores=scores)
    monkeypatch.chdir(tmp_path)
    typed("publish", labels.root, "--to", "bare")
    (block,) = re.findall(r"```\n(rankgen .*?)```", Path("bare/README.md").read_text("utf-8"), re.S)
    first, second = block.splitlines()
    assert second == "rankgen train-student --rankings run --out student"
    collection = collection_of(candidates, tmp_path / "collection")
    words = first.replace("COLLECTION", str(collection)).split()
    typed(*words[1:])
    run = RunDirectory("run")
    columns = ["query_id", "doc_ids", "teacher_scores", "retrieval_positions", "status"]
    found = {row["query_id"]: row for row in run.read("rankings", columns).to_pylist()}
    expected = labels.read("rankings", columns).to_pylist()
    assert found == {row["query_id"]: row for row in expected}
    assert typed("verify", labels.root, "--full").stdout.endswith("0 problems\n")
    assert run.texts("queries") == labels.texts("queries")
    assert run.texts("documents") == labels.texts("documents")
    told = (read_predicate(run) or {}).get("teacher_scores")
    assert (told or {}).get("unit") == unit


def test_parts_and_imports_tell_where_they_are_from(
    labels: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    typed("subsample", labels.root, "--queries", 5, "--out", "part")
    typed("publish", "part", "--to", "a")
    card = Path("a/README.md").read_text("utf-8")
    for told in ("a part of a run of the kind `label`", "| collection | `made-up` |"):
        assert told in card
    scores = RunDirectory("a").root / "scores" / "train-00000-of-00001.parquet"
    assert any(pq.read_table(scores)["positive_ids"].to_pylist())
    typed("publish", labels.root, "--to", "whole", "--with-text", "--licence", "MIT")
    typed("import", "lists", "whole", "--config", "rankings", "--out", "again")
    typed("publish", "again", "--to", "b")
    card = Path("b/README.md").read_text("utf-8")
    assert "Imported from `whole`, read as `lists`." in card
    refused = typed("publish", "again", "--to", "c", "--with-text", code=2).stderr
    assert "the texts of whole cannot be published" in refused
    typed("mix", labels.root, "again", "--out", "mixed")
    typed("publish", "mixed", "--to", "e")
    card = Path("e/README.md").read_text("utf-8")
    assert "One of the runs in it is of the kind `label`, with the recipe:" in card
    # A source that has changed since is not what the part was taken from.
    (labels.root / ".rankgen" / "commits" / "00000.0.json").unlink()
    typed("publish", "part", "--to", "d")
    assert "was not at hand" in Path("d/README.md").read_text("utf-8")
