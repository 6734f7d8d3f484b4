"""The Ray session of one command: a local one unless an address names a cluster."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from rankgen.generator.debugging import debug_wanted
from rankgen.generator.jobs.cluster_token import token_mode
from rankgen.generator.jobs.ray_start import connect_to, start_here

# The sessions' ends while a `kept_session` is open.
_KEPT: list[contextlib.ExitStack] = []
# Ray brings the workers' lines to the driver about twice a second.
_LAST_LINES_SECONDS = 1.5


@contextlib.contextmanager
def ray_session(address: str | None) -> Iterator[None]:
    """Connects to Ray while the block runs.

    Args:
        address: A cluster's address ("auto", "ray://…", "host:6379"); None starts Ray on this
            machine and stops it again.

    Raises:
        EnvironmentProblem: Ray cannot be started here, or the cluster cannot be reached.
    """
    # Telemetry and the advice banner have no place in a run's output.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ray.is_initialized():
        yield
        return
    with contextlib.ExitStack() as own:
        with contextlib.ExitStack() as opening:
            opening.enter_context(token_mode(address))
            opening.callback(_shut_down)
            if address is None:
                start_here()
            else:
                connect_to(address)
            (_KEPT[-1] if _KEPT else own).push(opening.pop_all())
        yield


@contextlib.contextmanager
def kept_session() -> Iterator[None]:
    """Lets the first `ray_session` inside the block serve all later ones; stops it at the end."""
    with contextlib.ExitStack() as sessions:
        _KEPT.append(sessions)
        try:
            yield
        finally:
            _KEPT.pop()


def total_gpus() -> int:
    """Returns the number of GPUs of the connected cluster."""
    return int(_resources().get("GPU", 0))


def total_cpus() -> int:
    """Returns the number of CPUs of the connected cluster."""
    return max(1, int(_resources().get("CPU", 1)))


def cpus_of_nodes() -> list[int]:
    """Returns the CPUs of every node that is alive and has some; never empty."""
    counts = [int(resources.get("CPU", 0)) for resources in resources_of_nodes().values()]
    return [count for count in counts if count] or [1]


def resources_of_nodes() -> dict[str, dict[str, float]]:
    """Returns node name and address -> what Ray counts there, for every node that is alive."""
    import ray

    # Ray ships types, but not for this call; nor for the one below.
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return {
        f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}:{node['NodeManagerPort']})": (
            node["Resources"]
        )
        for node in nodes
        if node["Alive"]
    }


def _shut_down() -> None:
    import ray

    if debug_wanted() and ray.is_initialized():
        time.sleep(_LAST_LINES_SECONDS)
    ray.shutdown()


def _resources() -> dict[str, float]:
    import ray

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return resources
