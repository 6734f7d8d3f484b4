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
    """The Ray session that this process has opened, and the number of blocks that use it."""

    address: str | None
    end: contextlib.ExitStack
    users: int = 0


@dataclass
class _Kept:
    """The open session, and how many blocks keep it open."""

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

    A session that `kept_session` keeps open is reused for the same address, and ended for another
    one. If the calling program has started Ray itself, that session is used.

    Args:
        address: A cluster's address ("auto", "ray://…", "host:6379"); None or "local" starts Ray
            on this machine and stops it afterwards.

    Raises:
        EnvironmentProblem: Ray cannot be started here, or the cluster cannot be reached.
        UsageError: An enclosing block uses another address.
    """
    # No telemetry, and no advice in the run's output.
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
    """Keeps a `ray_session` in the block open for the next one, until the block ends."""
    _KEPT.blocks += 1
    try:
        yield
    finally:
        _KEPT.blocks -= 1
        if not _KEPT.blocks:
            _KEPT.close()


def _connection(address: str | None) -> _Connection:
    """Returns the open session if it has this address, else a new one."""
    import ray

    if not ray.is_initialized():
        _KEPT.close()  # Other code has shut Ray down.
    held = _KEPT.open
    if held is not None and held.address != address:
        if held.users:
            raise UsageError(
                f"this process uses Ray at {held.address or 'this machine'} and cannot use Ray at "
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
