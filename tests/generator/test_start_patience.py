"""A run that has worked outlives a time in which no worker can start; one that never did stops."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from made_up_work import MadeUpWork, made_up_job

from rankgen.generator.shards.job import ShardJob, run_job
from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.shards.work import FilledShard
from rankgen.manifests.errors import EnvironmentProblem
from rankgen.manifests.records import Query

pytestmark = pytest.mark.usefixtures("one_ray")


@dataclass(frozen=True)
class Served(MadeUpWork):
    """Work that needs a server, which is gone while a file exists.

    The worker that meets q02 for the first time dies, and the server goes with it.
    """

    gone: Path
    met: Path

    def __call__(self) -> Served:
        if self.gone.exists():
            raise EnvironmentProblem("the server is gone")
        return self

    async def fill(self, queries: Sequence[Query], journal: Path) -> FilledShard:
        if queries[0].query_id == "q02" and not self.met.exists():
            self.met.touch()
            self.gone.touch()
            os._exit(1)
        return await super().fill(queries, journal)


def job(out: Path, served: Served) -> ShardJob:
    return made_up_job(out, served, PoolSettings(cpus=0), queries=4, shards=4)


def test_a_run_that_has_worked_waits_for_better_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = Served(tmp_path / "gone", tmp_path / "met")

    def bring_back() -> None:
        while not served.gone.exists():
            time.sleep(0.1)
        time.sleep(6)
        served.gone.unlink()

    server = threading.Thread(target=bring_back)
    server.start()
    summary = run_job(job(tmp_path / "run", served))
    server.join()
    assert (summary.queries, summary.shards) == (4, 4)
    told = "no worker can start at the moment: the server is gone; trying again"
    assert told in capsys.readouterr().err


def test_a_run_that_never_worked_stops_at_once(tmp_path: Path) -> None:
    served = Served(tmp_path / "gone", tmp_path / "met")
    served.gone.touch()
    with pytest.raises(EnvironmentProblem, match="the server is gone"):
        run_job(job(tmp_path / "run", served))
