"""How the benchmark tells a system whose engine stays up to work: one order a line, one answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parents[1]
READY, DONE = "ready for orders", "order done"


def serve(work: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Does every order that comes in, until there are no more; for the process that works."""
    print(READY, flush=True)
    for line in sys.stdin:
        order = json.loads(Path(line.strip()).read_text())
        Path(order["answer"]).write_text(json.dumps(work(order)))
        print(DONE, flush=True)


class Servant:
    """A process that serves orders.

    Args:
        command: The module and its arguments.
        environment: The process's variables.
        log: Where its errors and other lines go.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._log = log.open("a")
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=dict(environment),
            cwd=BENCHMARKS,
        )
        self._wait_for(READY)

    def do(self, order: Mapping[str, Any], path: Path) -> dict[str, Any]:
        """Has an order done and returns the answer; `path` is a new file for the order."""
        path.write_text(json.dumps(order))
        assert self._process.stdin is not None
        print(path, file=self._process.stdin, flush=True)
        self._wait_for(DONE)
        answer: dict[str, Any] = json.loads(Path(order["answer"]).read_text())
        return answer

    def end(self) -> None:
        """Ends the process and its engine."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(120)
        self._log.close()

    def _wait_for(self, said: str) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip() == said:
                return
            self._log.write(line)
        raise RuntimeError(f"a system ended too early; see {self._log.name}")


def variables(kv_cache_gib: int) -> dict[str, str]:
    """Returns the environment of every system: one thread computes, at everyone's niceness.

    vLLM's engine gets one core, so that what prepares prompts and reads answers has the other, as
    the processor is free for that while a GPU computes.
    """
    return {
        **os.environ,
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",
        "VLLM_CPU_KVCACHE_SPACE": str(kv_cache_gib),
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_USE_FLASHINFER_SAMPLER": "0",
        "RAY_worker_niceness": "0",
        "TOKENIZERS_PARALLELISM": os.environ.get("TOKENIZERS_PARALLELISM", "false"),
    }
