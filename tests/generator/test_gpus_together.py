"""GPUs that share one copy of a model: a worker has them all on one node, or waits."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from test_cluster import HEAD, Texts, events_of, text_job

from rankgen.generator.shards.cluster import ray_session
from rankgen.generator.shards.job import run_job
from rankgen.generator.shards.pool_settings import PoolSettings

pytestmark = pytest.mark.timeout(600)


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
