"""How vLLM's processes on a CPU wait for each other: asleep, and not in a loop.

vLLM computes in one process and schedules in another, and whoever waits looks for the other's
message without a pause, for a second and longer than any step takes. With a core to spare, that is
the fastest way; where the model computes on the same cores, it takes a core from it. To look ten
thousand times a second costs a step of milliseconds nothing.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

_PAUSE_SECONDS = 1e-4


def wait_asleep(*_: object) -> None:
    """Makes this process sleep between two looks for a message; takes and ignores a worker."""
    from vllm.distributed.device_communicators import shm_broadcast

    # Without its type: a function may not be replaced.
    messages: Any = shm_broadcast
    messages.sched_yield = partial(time.sleep, _PAUSE_SECONDS)
