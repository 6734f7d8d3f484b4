"""What an export says of a run that keeps the teacher's top of each list alone."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from rankgen.generator.answers.query_outcomes import QueryRanking
from rankgen.generator.cli import app
from rankgen.generator.jobs.label.rows import ranking_table
from rankgen.manifests.records import Candidates
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.shard import write_shard


def test_the_documents_below_the_kept_top_are_counted(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    found = Candidates("q", tuple("abcd"), (4.0, 3.0, 2.0, 1.0))
    table = ranking_table([(QueryRanking("q", (3, 0, 1, 2), ()), found)], keep_top=2)
    write_shard(run.shard_path("rankings", 0, 1), "rankings", table, "f")
    command = ["export", "lists", str(run.root), "--out", str(tmp_path / "lists.jsonl"), "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["counts"] == {"documents_below_the_kept_top_left_out": 2}
