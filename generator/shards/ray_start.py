"""Starts Ray on this machine or connects to a cluster; every failure becomes one sentence."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rankgen.generator.debugging import debug_wanted
from rankgen.generator.shards.environment import environment
from rankgen.manifests.errors import EnvironmentProblem, reason_of

# On a busy machine Ray's node takes longer than the 30 s that Ray allows it.
START_SECONDS = 120.0
START_TRIES = 2
_LOOK_SECONDS = 0.5


def start_here() -> None:
    """Starts Ray on this machine, its workers as urgent as this process; tries twice.

    Raises:
        EnvironmentProblem: Ray cannot be started.
    """
    import ray

    reason = ""
    for _ in range(START_TRIES):
        before = _children()
        try:
            with environment(_local_variables()), _patient_start():
                # Without "local" Ray would join whatever cluster was started here last.
                ray.init(
                    address="local",
                    include_dashboard=False,
                    log_to_driver=debug_wanted(),
                    logging_level=logging.ERROR,
                )
            return
        # Ray raises anything, a bare Exception among them.
        except Exception as error:
            reason = reason_of(error)
            ray.shutdown()
            _end(_children() - before)
    if "timed out" in reason.lower():
        raise EnvironmentProblem(
            f"this machine is too busy to start Ray: its node was not ready within "
            f"{START_SECONDS:.0f} s, {START_TRIES} times",
            "repeat the command when less runs here, or name a Ray that runs with --ray-address",
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
            "start one with `ray start --head`, or leave --ray-address out to use this machine; "
            "if it was started with a token, set RAY_AUTH_MODE=token",
        ) from None


def _local_variables() -> dict[str, str | None]:
    """Returns Ray's own settings for a Ray that is started here, unless the user has set them.

    Ray adds the niceness to that of the process that starts it: 15, if it is not told otherwise.
    """
    wanted = {
        "RAY_worker_niceness": "0",
        "RAY_gcs_server_port_wait_time_s": f"{START_SECONDS:.0f}",
    }
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


@contextlib.contextmanager
def _patient_start() -> Iterator[None]:
    """Has Ray wait `START_SECONDS` for its node: its own limit is a literal in `ray._private.node`.

    That code asks `services.get_node` until the node is there or its time is over.
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


def _children() -> set[int]:
    """Returns the processes that this one has started; empty where /proc does not tell."""
    lists = Path("/proc/self/task").glob("*/children")
    with contextlib.suppress(OSError):
        return {int(child) for path in lists for child in path.read_text().split()}
    return set()


def _end(processes: set[int]) -> None:
    """Ends what a failed start has left running, which would slow the next one down."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
