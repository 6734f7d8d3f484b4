"""`rankgen run` on Ray clusters: one address for all steps, and a step that names its own."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_cluster import make_candidates
from test_ray_clusters import cluster
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.generator.shards.cluster import kept_session, ray_session
from rankgen.manifests.errors import UsageError
from rankgen.manifests.run.run_directory import RunDirectory

RECIPE = """
name = "two-steps"
out = "{out}"

[[step]]
name = "first"
command = "label"
candidates = "{candidates}"
teacher = "scripted:hash"
{first}

[[step]]
name = "second"
command = "label"
candidates = "{candidates}"
teacher = "scripted:reverse"
{second}
"""


@pytest.fixture(scope="module")
def marked() -> Iterator[str]:
    """The address of a cluster that has a resource of its own, started as a user starts one."""
    with (
        tempfile.TemporaryDirectory(prefix="ray") as folder,
        cluster(Path(folder), "--resources", '{"far_away": 1}', RAY_AUTH_MODE="disabled") as found,
    ):
        yield found


def resources() -> dict[str, float]:
    import ray

    found: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # untyped there
    return found


def nodes_of(address: str) -> set[str]:
    import ray

    with ray_session(address):
        return {node["NodeID"] for node in ray.nodes()}  # type: ignore[no-untyped-call]  # untyped there


def nodes_used(run: Path) -> set[str]:
    """The nodes on which a run's workers got ready."""
    (log,) = RunDirectory(run).events.iterdir()
    events = [json.loads(line) for line in log.read_text().splitlines()]
    return {event["node"] for event in events if event["event"] == "worker ready"}


def run_recipe(tmp_path: Path, *options: str, first: str = "", second: str = "") -> Path:
    candidates = make_candidates(tmp_path / "candidates", queries=4)
    recipe, out = tmp_path / "recipe.toml", tmp_path / "out"
    recipe.write_text(RECIPE.format(out=out, candidates=candidates, first=first, second=second))
    done = CliRunner().invoke(app, ["run", str(recipe), *options])
    assert done.exit_code == 0, done.output
    return out


def test_one_address_serves_every_step(marked: str, tmp_path: Path) -> None:
    out = run_recipe(tmp_path, "--ray-address", marked)
    there = nodes_of(marked)
    assert nodes_used(out / "first") == nodes_used(out / "second") == there


@pytest.mark.parametrize("place", ["recipe", "recipe and command line"])
def test_a_step_that_names_a_cluster_runs_there(
    marked: str, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    if place == "recipe":
        out = run_recipe(tmp_path, second=f'ray_address = "{marked}"')
    else:
        out = run_recipe(tmp_path, "--ray-address", marked, first='ray_address = "local"')
    there = nodes_of(marked)
    assert nodes_used(out / "second") == there
    assert len(nodes_used(out / "first")) == 1
    assert nodes_used(out / "first") != there


def test_a_kept_session_follows_the_address(marked: str) -> None:
    import ray

    with kept_session():
        with ray_session(marked):
            assert "far_away" in resources()
            job = ray.get_runtime_context().get_job_id()
            with (
                pytest.raises(UsageError, match=f"uses Ray at {marked} and cannot use Ray at this"),
                ray_session(None),
            ):
                pass
        with ray_session(marked):
            assert ray.get_runtime_context().get_job_id() == job, "it was left open"
        with ray_session(None):
            assert "far_away" not in resources()
        with ray_session(marked):
            assert "far_away" in resources()
    assert not ray.is_initialized()
    assert "RAY_AUTH_MODE" not in os.environ
