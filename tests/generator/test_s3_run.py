"""Whole runs on an S3 store give the bytes of local runs, killed, doubled or left alone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up_candidates import write_overlapping
from typer.testing import CliRunner
from unpublished_windows import kill_between_commits, replayed_windows, unpublished_windows

from rankgen.generator.answers.outcomes import TokenUsage, WindowResult
from rankgen.generator.cli import app
from rankgen.generator.jobs.label.job import label
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.shards.cluster import kept_session
from rankgen.generator.teachers import journal as journal_module
from rankgen.generator.teachers.journal import WindowJournal, journalled_windows
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Query
from rankgen.manifests.run.event_logs import driver_logs
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import TABLES
from rankgen.manifests.storage.atomic import write_whole
from rankgen.manifests.storage.object_store import open_root

QUERIES = [Query(f"q{n:02}", f"query {n}") for n in range(12)]


@pytest.fixture(scope="module", autouse=True)
def _one_ray(s3_bucket: str) -> Iterator[None]:
    # Workers inherit the store's address and keys from the session's start.
    with kept_session():
        yield


@pytest.fixture(scope="module")
def candidates(s3_bucket: str) -> str:
    write_overlapping(RunDirectory(f"{s3_bucket}/candidates"), QUERIES)
    return f"{s3_bucket}/candidates"


def settings(candidates: Path | str, out: Path | str, script: str) -> LabelRunSettings:
    return LabelRunSettings.model_validate(
        {
            "candidates": candidates,
            "out": out,
            "teacher": LabelSettings(teacher=f"scripted:{script}", window=8, stride=4),
            "shards": 4,
        }
    )


def published(out: Path | str) -> dict[str, bytes]:
    run = RunDirectory(out)
    paths = [path for table in TABLES for path in run.shard_paths(table)]
    return {str(path.relative_to(run.root)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("local")
    write_overlapping(RunDirectory(folder / "candidates"), QUERIES)
    label(settings(folder / "candidates", folder / "run", "hash"))
    return published(folder / "run")


def answered(*arguments: str, code: int = 0) -> dict[str, object]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == code, result.output
    values = json.loads(result.stdout)
    assert isinstance(values, dict)
    return values


def label_command(candidates: str, out: str) -> list[str]:
    command = ["label", "--candidates", candidates, "--out", out, "--shards", "4"]
    return [*command, "--teacher", "scripted:hash", "--window", "8", "--stride", "4"]


@pytest.fixture(scope="module")
def labelled(s3_bucket: str, candidates: str) -> str:
    out = f"{s3_bucket}/labelled"
    assert answered(*label_command(candidates, out))["out"] == out
    return out


def test_a_run_on_s3_has_the_bytes_of_a_local_one(
    labelled: str, candidates: str, local: dict[str, bytes]
) -> None:
    out = labelled
    assert published(out) == local
    run = RunDirectory(out)
    assert sorted(path.name for path in run.state.iterdir() if path != run.events) == [
        "commits",
        "plan.json",
        "progress",
        next(run.state.glob("queries-*.parquet")).name,
    ]
    manifest = json.loads(run.manifest.read_bytes())
    assert {subject["name"] for subject in manifest["subject"]} == set(local)
    assert manifest["predicate"]["settings"]["out"] == out
    events = [event["event"] for event in driver_logs(run)[0].events()]
    assert (events[0], events[-1]) == ("driver", "left")
    assert events.count("commit") == 4
    # Repeating the command does nothing, and the run can be looked at and checked.
    changed = run.manifest.stat().st_mtime
    answered(*label_command(candidates, out))
    assert run.manifest.stat().st_mtime == changed
    assert answered("status", out)["finished"] is True
    assert answered("verify", "--full", out)["problems"] == []


def test_a_run_on_a_disk_may_have_its_candidates_on_s3(
    candidates: str, local: dict[str, bytes], tmp_path: Path
) -> None:
    label(settings(candidates, tmp_path / "run", "hash"))
    assert published(tmp_path / "run") == local


def test_verify_finds_a_changed_and_a_lost_object(labelled: str) -> None:
    out = f"{labelled}-damaged"
    store = open_root(labelled)
    for path in store.glob("**/*"):
        if path.is_file():
            write_whole(open_root(out) / str(path.relative_to(store)), path.read_bytes())
    shards = RunDirectory(out).shard_paths("rankings")
    content = shards[1].read_bytes()
    write_whole(shards[1], content[:-1] + bytes([content[-1] ^ 1]))
    shards[2].unlink()
    write_whole(shards[0].with_name("train-foreign.parquet"), b"x")
    problems = answered("verify", out, code=5)["problems"]
    assert problems == [
        f"{shards[1]} has changed since it was committed (SHA-256 differs)",
        f"{shards[2]} is missing, although it was committed",
        f"{shards[0].with_name('train-foreign.parquet')} was not published by this run",
    ]


DRIVER = """
import sys
from pathlib import Path
from rankgen.generator.jobs.label.job import label
from rankgen.generator.jobs.label.settings import LabelRunSettings
label(LabelRunSettings.model_validate_json(Path(sys.argv[1]).read_text()))
"""


def started(slow: LabelRunSettings, path: Path) -> subprocess.Popen[bytes]:
    """Starts another driver, on the Ray session of this one."""
    import ray

    address = ray.get_runtime_context().gcs_address
    path.write_text(slow.model_copy(update={"ray_address": address}).model_dump_json())
    return subprocess.Popen([sys.executable, "-c", DRIVER, str(path)], start_new_session=True)


def test_a_killed_driver_resumes_to_the_same_bytes(
    s3_bucket: str, candidates: str, tmp_path: Path, local: dict[str, bytes]
) -> None:
    run = RunDirectory(f"{s3_bucket}/killed")
    slow = settings(candidates, run.root, "hash,latency=0.5")
    driver = started(slow, tmp_path / "settings.json")
    committed = kill_between_commits(driver, run, committed=1)
    assert 1 <= len(committed) < 4
    done = unpublished_windows(run)
    assert done > 0
    resumed = label(slow)
    assert resumed.resumed_shards == len(committed)
    assert replayed_windows(run, committed) == done
    # The teacher's latency is no part of its recipe.
    assert published(run.root) == local


def test_two_drivers_on_one_folder_publish_each_query_once(
    s3_bucket: str, candidates: str, tmp_path: Path, local: dict[str, bytes]
) -> None:
    out = f"{s3_bucket}/doubled"
    slow = settings(candidates, out, "hash,latency=0.1")
    other = started(slow, tmp_path / "settings.json")
    while not driver_logs(RunDirectory(out)) and other.poll() is None:
        time.sleep(0.05)
    label(slow)
    assert other.wait() == 0
    assert len(driver_logs(RunDirectory(out))) == 2
    assert published(out) == local
    assert answered("verify", "--full", out)["problems"] == []


def test_retrieving_into_s3_gives_the_local_bytes(s3_bucket: str, tmp_path: Path) -> None:
    collection = tmp_path / "collection"
    (collection / "qrels").mkdir(parents=True)
    documents = [{"_id": f"d{n}", "title": "", "text": f"passage {n}"} for n in range(9)]
    (collection / "corpus.jsonl").write_text("".join(json.dumps(d) + "\n" for d in documents))
    queries = [{"_id": q.query_id, "text": q.text} for q in QUERIES]
    (collection / "queries.jsonl").write_text("".join(json.dumps(q) + "\n" for q in queries))
    judged = "".join(f"{q.query_id}\td1\t1\n" for q in QUERIES)
    (collection / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    lines = [f"{q.query_id} Q0 d{n} {n + 1} {9.0 - n} t" for q in QUERIES for n in range(5)]
    (tmp_path / "run.trec").write_text("\n".join(lines) + "\n")
    command = ["retrieve", "--collection", str(collection), "--split", "test", "--shards", "2"]
    command += ["--retriever", f"recorded:{tmp_path / 'run.trec'}", "--out"]
    out = f"{s3_bucket}/retrieved"
    assert answered(*command, out)["queries"] == 12
    answered(*command, str(tmp_path / "run"))
    assert published(out) == published(tmp_path / "run")
    assert (open_root(out) / "qrels.tsv").read_bytes() == (tmp_path / "run/qrels.tsv").read_bytes()
    assert answered("verify", "--full", out)["problems"] == []


def test_an_evaluation_reads_runs_on_s3(labelled: str, candidates: str, tmp_path: Path) -> None:
    qrels = tmp_path / "qrels.txt"
    qrels.write_text("".join(f"{q.query_id} 0 d{n} 1\n" for n, q in enumerate(QUERIES)))
    command = [
        "evaluate",
        "--qrels",
        str(qrels),
        "--rankings",
        labelled,
        "--candidates",
        candidates,
    ]
    systems = answered(*command, "--out", str(tmp_path / "report"))["systems"]
    assert isinstance(systems, list)
    assert [system["kind"] for system in systems] == ["first-stage", "teacher"]


def test_a_recipe_on_s3_is_refused(s3_bucket: str) -> None:
    result = CliRunner().invoke(app, ["run", "quickstart", "--out", f"{s3_bucket}/all"])
    assert result.exit_code == 2
    assert "the output folder of a recipe cannot be on S3" in result.stderr


def test_a_folder_of_something_else_and_no_run_are_refused(
    s3_bucket: str, candidates: str, tmp_path: Path
) -> None:
    write_whole(open_root(f"{s3_bucket}/photos/cat.jpg"), b"cat")
    command = ["label", "--candidates", candidates, "--teacher", "scripted:hash", "--out"]
    foreign = CliRunner().invoke(app, [*command, f"{s3_bucket}/photos"])
    assert foreign.exit_code == 2
    assert "is not empty and is not a run of rankgen" in foreign.stderr
    nothing = CliRunner().invoke(app, ["status", f"{s3_bucket}/nothing"])
    assert nothing.exit_code == 2
    assert f"{s3_bucket}/nothing is not a run of rankgen" in nothing.stderr
    bucket = CliRunner().invoke(app, [*command, "s3://nobodys-bucket/run"])
    assert bucket.exit_code == 3, bucket.stderr
    assert "bucket does not exist" in bucket.stderr
    assert len(list(open_root(f"{s3_bucket}/photos").iterdir())) == 1


def test_a_journal_on_s3_is_kept_in_segments(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SYNC_SECONDS", 0.1)
    folder = open_root(f"{s3_bucket}/journal/00000")
    results = {f"k{n}": WindowResult((1, 0), usage=TokenUsage(n, 9)) for n in range(40)}
    journal = WindowJournal(folder)
    for number, (key, result) in enumerate(results.items()):
        journal.append(key, result)
        if number == 19:
            deadline = time.monotonic() + 10
            while journalled_windows(folder) < 20 and time.monotonic() < deadline:
                time.sleep(0.02)
            assert journalled_windows(folder) == 20  # Without another append and without a close.
    journal.close()
    assert 2 <= len(list(folder.glob("*.jsonl"))) <= 4
    again = WindowJournal(folder)
    assert {key: again.find(key) for key in results} == results
    again.close()
    assert journalled_windows(folder) == 40


def test_a_journal_that_cannot_be_written_says_so(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SYNC_SECONDS", 0.01)
    journal = WindowJournal(open_root("s3://nobodys-bucket/journal"))
    journal.append("a", WindowResult((0,)))
    with pytest.raises(OSError, match="bucket"):
        journal.close()
