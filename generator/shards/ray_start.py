"""Starts Ray on this machine or connects to a cluster, with one error for any failure."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rankgen.generator.debugging import debug_wanted
from rankgen.generator.shards.environment import environment
from rankgen.manifests.errors import EnvironmentProblem, reason_of

# On a busy machine Ray's node takes longer to start than the 30 s that Ray allows.
START_SECONDS = 120.0
START_TRIES = 2
_LOOK_SECONDS = 0.5


def start_here() -> None:
    """Starts Ray on this machine, with workers of this process's priority; tries twice.

    Raises:
        EnvironmentProblem: Ray cannot be started.
    """
    import ray

    reason = ""
    for _ in range(START_TRIES):
        before = _children()
        try:
            with environment(_local_variables()), _patient_start(), _few_processes():
                # Without "local", Ray would join the cluster that was last started here.
                ray.init(
                    address="local",
                    include_dashboard=False,
                    log_to_driver=debug_wanted(),
                    logging_level=logging.ERROR,
                )
            return
        # Ray raises anything, even a bare Exception.
        except Exception as error:
            reason = reason_of(error)
            ray.shutdown()
            _end(_children() - before)
    if "timed out" in reason.lower():
        raise EnvironmentProblem(
            f"this machine is too busy to start Ray: its node was not ready within "
            f"{START_SECONDS:.0f} s, {START_TRIES} times",
            "repeat the command when the machine is less busy, or connect to a running Ray with "
            "--ray-address",
        )
    raise EnvironmentProblem(
        f"Ray cannot be started on this machine: {reason}",
        "check free memory, and free space in /tmp and /dev/shm (`rankgen doctor` shows them)",
    )


def connect_to(address: str) -> None:
    """Connects to a cluster.

    Raises:
        EnvironmentProblem: The cluster cannot be reached.
    """
    import ray

    try:
        ray.init(address=address, log_to_driver=debug_wanted(), logging_level=logging.ERROR)
    except Exception as error:
        raise EnvironmentProblem(
            f"cannot connect to the Ray cluster at {address}: {reason_of(error)}",
            "start one with `ray start --head`, or leave out --ray-address to use this machine; "
            "if it was started with a token, set RAY_AUTH_MODE=token",
        ) from None


def _local_variables() -> dict[str, str | None]:
    """Returns settings for a Ray that is started here, unless the user has set them.

    Ray adds the niceness, by default 15, to that of the process that starts it.
    """
    wanted = {
        "RAY_worker_niceness": "0",
        "RAY_gcs_server_port_wait_time_s": f"{START_SECONDS:.0f}",
    }
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


@contextlib.contextmanager
def _patient_start() -> Iterator[None]:
    """Makes Ray wait `START_SECONDS` for its node.

    Ray's own limit is a literal in `ray._private.node`, which asks `services.get_node` until the
    node is there or the time is over.
    """
    from ray._private import services

    ask: Callable[[str, str], object] = services.get_node
    deadline = time.monotonic() + START_SECONDS

    def wait_for_node(gcs_address: str, node_id: str) -> object:
        while True:
            try:
                return ask(gcs_address, node_id)
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_LOOK_SECONDS)

    services.get_node = wait_for_node
    try:
        yield
    finally:
        services.get_node = ask


@contextlib.contextmanager
def _few_processes() -> Iterator[None]:
    """Leaves out what a Ray of one machine and one command has no use for.

    These are the autoscaler, the server that sends Ray's telemetry, and the reader of logs that are
    not shown. Each is a process of Python, which takes a second of a CPU and of every command; Ray
    has a setting for the first and the last, which `ray.init` does not pass on, and goes on without
    the server where it cannot be started.
    """
    from ray._private import parameter, services

    # Without their types: a class may not be replaced.
    settings: Any = parameter
    starts: Any = services
    made, server = settings.RayParams, starts.start_api_server
    settings.RayParams = partial(made, no_monitor=True, include_log_monitor=debug_wanted())
    starts.start_api_server = lambda *_, **__: (None, None)
    try:
        yield
    finally:
        settings.RayParams, starts.start_api_server = made, server


def _children() -> set[int]:
    """Returns the child processes of this one; empty without /proc."""
    lists = Path("/proc/self/task").glob("*/children")
    with contextlib.suppress(OSError):
        return {int(child) for path in lists for child in path.read_text().split()}
    return set()


def _end(processes: set[int]) -> None:
    """Kills the processes that a failed start has left, which would slow down the next one."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
