"""The Ray session of one command: a local one unless an address names a cluster."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from rankgen.generator.debugging import debug_wanted
from rankgen.generator.shards.cluster_token import token_mode
from rankgen.generator.shards.nodes import living_nodes
from rankgen.generator.shards.ray_start import connect_to, start_here
from rankgen.manifests.errors import UsageError

# Ray brings the workers' lines to the driver about twice a second.
_LAST_LINES_SECONDS = 1.5


@dataclass
class _Connection:
    """The Ray session that this process has opened.

    Attributes:
        address: As it was asked for.
        end: Ends it.
        users: Blocks that rely on it now.
    """

    address: str | None
    end: contextlib.ExitStack
    users: int = 0


@dataclass
class _Kept:
    """Whether a session outlives its block, and the one that is open."""

    blocks: int = 0
    open: _Connection | None = None

    def close(self) -> None:
        """Ends the open session, if there is one."""
        if self.open is not None:
            ended, self.open = self.open, None
            ended.end.close()


_KEPT = _Kept()


@contextlib.contextmanager
def ray_session(address: str | None) -> Iterator[None]:
    """Connects to Ray while the block runs.

    A session that `kept_session` has left open serves the block when it is at the same address,
    and is ended for one at another. A Ray that the calling program has started itself serves all.

    Args:
        address: A cluster's address ("auto", "ray://…", "host:6379"); None or "local" starts Ray
            on this machine and stops it again.

    Raises:
        EnvironmentProblem: Ray cannot be started here, or the cluster cannot be reached.
        UsageError: An enclosing block works at another address.
    """
    # Telemetry and the advice banner have no place in a run's output.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ray.is_initialized() and _KEPT.open is None:
        yield
        return
    connection = _connection(None if address == "local" else address)
    connection.users += 1
    try:
        yield
    finally:
        connection.users -= 1
        if not connection.users and not _KEPT.blocks:
            _KEPT.close()


@contextlib.contextmanager
def kept_session() -> Iterator[None]:
    """Leaves a `ray_session` inside the block open for the next one; ends it after the block."""
    _KEPT.blocks += 1
    try:
        yield
    finally:
        _KEPT.blocks -= 1
        if not _KEPT.blocks:
            _KEPT.close()


def _connection(address: str | None) -> _Connection:
    """Returns the open session if it is at this address, else a new one."""
    import ray

    if not ray.is_initialized():
        _KEPT.close()  # Somebody else has shut it down.
    held = _KEPT.open
    if held is not None and held.address != address:
        if held.users:
            raise UsageError(
                f"this process works with Ray at {held.address or 'this machine'} and cannot use "
                f"{address or 'this machine'} at the same time",
                "give both the same --ray-address",
            )
        _KEPT.close()
    if _KEPT.open is None:
        with contextlib.ExitStack() as opening:
            opening.enter_context(token_mode(address))
            opening.callback(_shut_down)
            if address is None:
                start_here()
            else:
                connect_to(address)
            _KEPT.open = _Connection(address, opening.pop_all())
    return _KEPT.open


def total_gpus() -> int:
    """Returns the number of GPUs of the connected cluster."""
    return int(sum(node.gpus for node in living_nodes()))


def total_cpus() -> int:
    """Returns the number of CPUs of the connected cluster."""
    return max(1, int(sum(node.cpus for node in living_nodes())))


def cpus_of_nodes() -> list[int]:
    """Returns the CPUs of every living node that has some; never empty."""
    return [int(node.cpus) for node in living_nodes() if node.cpus >= 1] or [1]


def _shut_down() -> None:
    import ray

    if debug_wanted() and ray.is_initialized():
        time.sleep(_LAST_LINES_SECONDS)
    ray.shutdown()
