"""The shard-job engine on real Ray actors: resume, death, poison, quarantine, two drivers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_candidates import write_overlapping
from unpublished_windows import kill_between_commits, replayed_windows, unpublished_windows

from rankgen.generator.jobs.label.checks import validate_rankings
from rankgen.generator.jobs.label.job import LabelRunSettings, label
from rankgen.generator.jobs.label.relabel import agreement, relabel
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import IncompleteRun, IntegrityProblem, UsageError
from rankgen.manifests.records import Query
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.verify import verify_run
from rankgen.manifests.schema import TABLES

pytestmark = pytest.mark.usefixtures("one_ray")

QUERIES = [Query(f"q{n:02}", f"query {n}") for n in range(24)]
DEPTH = 25


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = RunDirectory(tmp_path_factory.mktemp("candidates"))
    write_overlapping(run, QUERIES)
    return run.root


def settings(candidates: Path, out: Path, script: str, **more: object) -> LabelRunSettings:
    return LabelRunSettings.model_validate(
        {
            "candidates": candidates,
            "out": out,
            "teacher": LabelSettings(teacher=f"scripted:{script}", window=8, stride=4),
            "shards": 6,
            **more,
        }
    )


def published(out: Path) -> dict[str, bytes]:
    run = RunDirectory(out)
    paths = [path for table in TABLES for path in run.shard_paths(table)]
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


def evidence(out: Path) -> list[dict[str, object]]:
    """Returns the calls that ordered something, which failed calls before them do not change."""
    rows = RunDirectory(out).read("windows").drop_columns(["attempt"]).to_pylist()
    return [row for row in rows if row["permutation"] is not None]


def failed_calls(out: Path) -> list[dict[str, object]]:
    rows = RunDirectory(out).read("windows").to_pylist()
    return [row for row in rows if row["permutation"] is None]


def same_labels(out: Path, other: Path) -> bool:
    """Says whether all but the failed calls is the same, to the byte where it is not windows."""
    one, two = (
        {name: content for name, content in published(run).items() if "windows" not in name}
        for run in (out, other)
    )
    return one == two and evidence(out) == evidence(other)


@pytest.fixture(scope="module")
def untouched_run(candidates: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("untouched") / "run"
    summary = label(settings(candidates, out, "hash"))
    assert (summary.queries, summary.shards, summary.resumed_shards) == (24, 6, 0)
    return out


@pytest.fixture(scope="module")
def untouched(untouched_run: Path) -> dict[str, bytes]:
    return published(untouched_run)


def test_a_run_is_published_whole_and_repeating_it_does_nothing(
    candidates: Path, tmp_path: Path, untouched: dict[str, bytes]
) -> None:
    out = tmp_path / "run"
    label(settings(candidates, out, "hash"))
    manifest = (out / "manifest.json").stat().st_mtime_ns
    again = label(settings(candidates, out, "hash"))
    assert again.resumed_shards == 6
    assert (out / "manifest.json").stat().st_mtime_ns == manifest
    assert published(out) == untouched
    assert not (out / ".rankgen" / "attempts").exists()


def test_the_number_of_workers_changes_no_byte(
    candidates: Path, tmp_path: Path, untouched: dict[str, bytes]
) -> None:
    label(settings(candidates, tmp_path / "run", "hash", workers=2))
    assert published(tmp_path / "run") == untouched


def test_another_recipe_on_the_same_folder_is_refused(candidates: Path, tmp_path: Path) -> None:
    label(settings(candidates, tmp_path / "run", "hash"))
    before = published(tmp_path / "run")
    changed = settings(candidates, tmp_path / "run", "reverse")
    with pytest.raises(UsageError, match="teacher scripted:hash -> scripted:reve"):
        label(changed)
    assert published(tmp_path / "run") == before


def test_failed_queries_are_quarantined_named_and_retried(
    candidates: Path, tmp_path: Path, untouched_run: Path
) -> None:
    out = tmp_path / "run"
    failing = settings(candidates, out, "hash,fail=q03+q11")
    lost = r"2 of 24 queries have no result in .* \(first: q03: "
    with pytest.raises(IncompleteRun, match=lost) as caught:
        label(failing)
    assert "--max-failed 2" in (caught.value.hint or "")
    assert caught.value.exit_code == 4
    held = set(RunDirectory(out).read("rankings")["query_id"].to_pylist())
    assert held == {q.query_id for q in QUERIES} - {"q03", "q11"}
    tolerated = label(failing.model_copy(update={"max_failed": 2}))
    assert sorted(tolerated.quarantined) == ["q03", "q11"]
    manifest = json.loads((out / "manifest.json").read_text())
    assert sorted(manifest["predicate"]["quarantined"]) == ["q03", "q11"]
    # 24 queries of 4 windows each, whatever was tried when.
    assert label(settings(candidates, out, "hash")).counts["windows"] == 96
    assert same_labels(out, untouched_run)
    predicate = json.loads((out / "manifest.json").read_text())["predicate"]
    # Each of the two was tried twice by each of the first two commands.
    assert (predicate["counts"]["windows"], predicate["counts"]["failed_calls"]) == (96, 8)
    assert [(row["query_id"], row["attempt"]) for row in failed_calls(out)] == [
        (query_id, attempt) for query_id in ("q03", "q11") for attempt in (1, 2, 3, 4)
    ]
    assert all("the script fails query" in str(row["reason"]) for row in failed_calls(out))
    assert predicate["quarantined"] == {}
    assert verify_run(RunDirectory(out), validate_rankings).problems == ()


def test_a_query_that_kills_every_worker_is_found_and_quarantined(
    candidates: Path, tmp_path: Path
) -> None:
    """Its shard is bisected, and holds others that only fail."""
    out = tmp_path / "run"
    table = QueryTable(QUERIES)
    shards = [[query.query_id for query in table.of_shard(n, 6)] for n in range(6)]
    assert next(ids for ids in shards if "q07" in ids) == ["q02", "q07", "q10", "q11"]
    summary = label(settings(candidates, out, "hash,die=q07,fail=q02+q11", max_failed=3))
    assert sorted(summary.quarantined) == ["q02", "q07", "q11"]
    # With what the worker said last, which stood in a log of Ray's only.
    assert re.fullmatch(
        r"its worker died 3 times \(ActorDiedError: this worker must exit: "
        "the script ends the engine at query q07\\)",
        summary.quarantined["q07"],
    )
    assert summary.quarantined["q02"] == "error after 1 attempt: the script fails query q02"
    assert RunDirectory(out).read("rankings").num_rows == 21
    assert verify_run(RunDirectory(out), validate_rankings).problems == ()


def test_an_unforeseen_exception_is_its_querys_own(
    candidates: Path, tmp_path: Path, untouched_run: Path
) -> None:
    out = tmp_path / "run"
    summary = label(settings(candidates, out, "hash,raise=q07", max_failed=1))
    assert summary.quarantined == {"q07": "unexpected LookupError: the script raises at query q07"}
    assert summary.queries == 23
    label(settings(candidates, out, "hash"))
    assert same_labels(out, untouched_run)
    reasons = [row["reason"] for row in failed_calls(out)]
    assert reasons == ["unexpected LookupError: the script raises at query q07"] * 2


def test_what_all_queries_meet_stops_the_run_and_quarantines_none(
    candidates: Path, tmp_path: Path, untouched_run: Path
) -> None:
    out = tmp_path / "run"
    everyone = "+".join(query.query_id for query in QUERIES)
    with pytest.raises(IncompleteRun, match="the last 10 windows failed for the same reason"):
        label(settings(candidates, out, f"hash,fail={everyone}"))
    assert not list((out / ".rankgen" / "commits").glob("0*.json"))
    counts = label(settings(candidates, out, "hash")).counts
    assert same_labels(out, untouched_run)
    # What was asked before the run stopped is not forgotten.
    assert counts["failed_calls"] == len(failed_calls(out)) >= 10


def test_queries_that_failed_are_tried_once_more_in_the_same_run(
    candidates: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    label(settings(candidates, out, "hash,fail=q03", max_failed=1))
    (log,) = (out / ".rankgen" / "events").iterdir()
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [e["queries"] for e in events if e["event"] == "second try"] == [1]
    shards = [e["shard"] for e in events if e["event"] == "commit"]
    assert len(shards) == 7
    assert len(set(shards)) == 6


KILLED_DRIVER = """
import sys
from pathlib import Path
from rankgen.generator.jobs.label.job import LabelRunSettings, label
label(LabelRunSettings.model_validate_json(Path(sys.argv[1]).read_text()))
"""


# Kill points and runs on S3 kill drivers too.
@pytest.mark.slow
def test_a_killed_driver_resumes_to_the_same_bytes(
    candidates: Path, tmp_path: Path, untouched: dict[str, bytes]
) -> None:
    out = tmp_path / "run"
    # The script is part of the recipe, so the uninterrupted run has to have the same latency.
    slow = settings(candidates, out, "hash,latency=0.2")
    reference = settings(candidates, tmp_path / "reference", "hash,latency=0.2")
    (tmp_path / "settings.json").write_text(slow.model_dump_json())
    driver = subprocess.Popen(
        [sys.executable, "-c", KILLED_DRIVER, str(tmp_path / "settings.json")],
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    run = RunDirectory(out)
    committed = kill_between_commits(driver, run, committed=2)
    assert 2 <= len(committed) < 6
    done = unpublished_windows(run)
    resumed = label(slow)
    assert resumed.resumed_shards == len(committed)
    # What was journalled is not asked again, all else is.
    assert replayed_windows(run, committed) == done > 0
    assert resumed.counts == label(reference).counts
    assert published(out) == published(tmp_path / "reference")


# The same on S3 runs always.
@pytest.mark.slow
def test_two_drivers_on_one_folder_publish_each_query_once(
    candidates: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    slow = settings(candidates, out, "hash,latency=0.05")
    (tmp_path / "settings.json").write_text(slow.model_dump_json())
    drivers = [
        subprocess.Popen([sys.executable, "-c", KILLED_DRIVER, str(tmp_path / "settings.json")])
        for _ in range(2)
    ]
    assert [driver.wait() for driver in drivers] == [0, 0]
    reference = settings(candidates, tmp_path / "reference", "hash,latency=0.05")
    label(reference)
    assert published(out) == published(tmp_path / "reference")
    held = RunDirectory(out).read("rankings")["query_id"].to_pylist()
    assert sorted(held) == [query.query_id for query in QUERIES]
    assert verify_run(RunDirectory(out), validate_rankings).problems == ()


@pytest.mark.slow
def test_a_worker_that_stalls_is_replaced_and_the_query_is_found(
    candidates: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    stalling = settings(candidates, out, "hash,stall=q07", stall_seconds=3.0, max_failed=1)
    summary = label(stalling)
    assert list(summary.quarantined) == ["q07"]
    assert "no progress for" in summary.quarantined["q07"]


def test_relabelling_a_faithful_teacher_changes_nothing(candidates: Path, tmp_path: Path) -> None:
    out = RunDirectory(tmp_path / "run")
    label(settings(candidates, out.root, "hash"))
    found = relabel(out, 5)
    assert found.queries == 5
    assert (found.flip_rate, found.kendall_tau, found.top10_overlap) == (0.0, 1.0, 1.0)
    other = agreement({"q": list("abcdefghijkl")}, {"q": list("lbcdefghijka")})
    assert (other.flip_rate, other.top10_overlap) == (1.0, 0.9)
    # 21 of the 66 pairs, those with an end of the list, stand the other way round.
    assert other.kendall_tau == pytest.approx(1 - 2 * 21 / 66)


def test_a_damaged_shard_is_an_integrity_problem_and_not_redone(
    candidates: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    label(settings(candidates, out, "hash"))
    shard = RunDirectory(out).shard_paths("rankings")[2]
    os.truncate(shard, 100)
    with pytest.raises(IntegrityProblem, match="has 100 bytes"):
        label(settings(candidates, out, "hash"))
