"""The Ray session of one command: a local one unless an address names a cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

from rankgen.manifests.errors import EnvironmentProblem

# Not empty while `kept_session` is open.
_KEPT: list[bool] = []


@contextlib.contextmanager
def ray_session(address: str | None) -> Iterator[None]:
    """Connects to Ray while the block runs.

    Args:
        address: A cluster's address ("auto", "ray://…", "host:6379"); None starts Ray on this
            machine and stops it again.

    Raises:
        EnvironmentProblem: The cluster cannot be reached.
    """
    # Telemetry and the advice banner have no place in a run's output.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        if address is None:
            # Without "local" Ray would join whatever cluster was started here last.
            ray.init(
                address="local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        else:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EnvironmentProblem(
            f"the Ray cluster at {address or 'this machine'} cannot be reached: {reason}",
            "start one with `ray start --head`, or leave --ray-address out to use this machine",
        ) from None
    try:
        yield
    finally:
        if not _KEPT:
            ray.shutdown()


@contextlib.contextmanager
def kept_session() -> Iterator[None]:
    """Lets the first `ray_session` inside the block serve all later ones; stops it at the end."""
    _KEPT.append(True)
    try:
        yield
    finally:
        _KEPT.pop()
        if "ray" in sys.modules:
            import ray

            ray.shutdown()


def total_gpus() -> int:
    """Returns the number of GPUs of the connected cluster."""
    return int(_resources().get("GPU", 0))


def total_cpus() -> int:
    """Returns the number of CPUs of the connected cluster."""
    return max(1, int(_resources().get("CPU", 1)))


def cpus_of_nodes() -> list[int]:
    """Returns the CPUs of every node that is alive and has some; never empty."""
    import ray

    # Ray ships types, but not for this call; nor for the one below.
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    counts = [int(node["Resources"].get("CPU", 0)) for node in nodes if node["Alive"]]
    return [count for count in counts if count] or [1]


def _resources() -> dict[str, float]:
    import ray

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return resources
