"""GPUs that share one copy of a model: a worker has them all on one node, or waits."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from made_up_work import made_up_job
from test_cluster import HEAD, Texts, events_of, text_job

from rankgen.generator.shards.cluster import ray_session
from rankgen.generator.shards.job import run_job
from rankgen.generator.shards.pool_settings import PoolSettings

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class OneByOne(Texts):
    """Work that notices when another one is made on the same GPU at the same time."""

    folder: Path = Path()

    def __call__(self) -> OneByOne:
        mark = self.folder / "being made"
        mark.touch(exist_ok=False)
        time.sleep(0.5)
        mark.unlink()
        return self


def seen(run: Path, event: str) -> list[dict[str, object]]:
    """Returns the events of a kind so far."""
    if not (run / ".rankgen" / "events").exists():
        return []
    return [one for one in events_of(run) if one["event"] == event]


def test_gpus_that_share_a_model_are_had_together_on_one_node_or_not_at_all(
    tmp_path: Path,
) -> None:
    import ray
    from ray import cloudpickle
    from ray.cluster_utils import Cluster
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    class Other:
        """Other work, with one GPU of a node."""

        def ready(self) -> None:
            pass

    for module in (Texts.__module__, __name__):
        cloudpickle.register_pickle_by_value(sys.modules[module])
    cluster = Cluster(initialize_head=True, head_node_args=HEAD)
    run = tmp_path / "run"
    try:
        nodes = [cluster.add_node(num_cpus=1, num_gpus=2).node_id for _ in range(2)]
        with ray_session(cluster.address), ThreadPoolExecutor(1) as driver:
            others = [
                ray.remote(Other)
                .options(
                    num_gpus=1, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
                )
                .remote()
                for node in nodes
            ]
            ray.get([other.ready.remote() for other in others])
            two = PoolSettings(cpus=0.0, gpus=2.0)
            done = driver.submit(run_job, text_job(run, cluster.address, nodes[:1], two))
            while not seen(run, "start"):
                assert not done.done(), done.result()
                time.sleep(0.1)
            time.sleep(3)
            # Two GPUs are free, one on each node, and it takes neither.
            assert not seen(run, "worker could not start")
            assert not seen(run, "worker ready")
            assert ray.available_resources()["GPU"] == 2
            ray.kill(others[0])
            while not seen(run, "worker could not start"):
                assert not done.done(), done.result()
                time.sleep(0.1)
            ray.kill(others[1])
            assert done.result().queries == 12
    finally:
        ray.shutdown()
        cluster.shutdown()
    # A node that is set aside is left alone for the other one.
    assert {event["node"] for event in seen(run, "worker could not start")} == {nodes[0]}
    assert {event["node"] for event in seen(run, "worker ready")} == {nodes[1]}
    manifest = json.loads((run / "manifest.json").read_text())
    (environment,) = manifest["predicate"]["environments"]
    assert environment["gpus"] == [0, 1]


def test_engines_that_share_a_gpu_start_one_after_the_other(tmp_path: Path) -> None:
    import ray
    from ray import cloudpickle
    from ray.cluster_utils import Cluster

    for module in (Texts.__module__, __name__):
        cloudpickle.register_pickle_by_value(sys.modules[module])
    cluster = Cluster(initialize_head=True, head_node_args={**HEAD, "num_gpus": 1})
    run = tmp_path / "run"
    try:
        with ray_session(cluster.address):
            # Seconds enough for the others to start before all is done.
            work = OneByOne((), 2.0, folder=tmp_path)
            pool = PoolSettings(workers=3, cpus=0.0, gpus=0.3333, one_start_at_a_time=True)
            job = made_up_job(run, work, pool, queries=12, shards=12, address=cluster.address)
            assert run_job(job).queries == 12
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert not seen(run, "worker could not start")
    assert len(seen(run, "worker ready")) == 3
    manifest = json.loads((run / "manifest.json").read_text())
    assert all(one["gpus"] == [0] for one in manifest["predicate"]["environments"])
