"""What tests of vLLM share, and those that kill runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kill_scenes import UntouchedRuns


@pytest.fixture(scope="module")
def unbound_vllm() -> Iterator[None]:
    """Lets vLLM's processes run one thread each, on whichever core is free.

    By default it ties its threads to one logical CPU of each core, counted from the last: on a
    machine with other work they wait for that CPU while the next one idles.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def untouched_runs(tmp_path_factory: pytest.TempPathFactory) -> UntouchedRuns:
    """The runs that nobody kills, each made once for all files; they are only read."""
    return UntouchedRuns(tmp_path_factory.mktemp("untouched"))
