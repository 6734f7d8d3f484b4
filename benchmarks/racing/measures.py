"""Processor time by kind of process, and the engine's occupancy while a system works.

A measured process writes its marks and samples as JSON lines to one file, which the benchmark
reads when it is done. Times are seconds since 1970, as several processes take them.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

SAMPLE_SECONDS = 0.25
KINDS = ("driver", "worker", "engine", "ray")
_GAUGES = ("vllm:num_requests_running", "vllm:num_requests_waiting")
_RAY = ("raylet", "gcs_server", "ray/dashboard", "ray/_private", "log_monitor", "runtime_env")


def processor_seconds(root: int) -> dict[str, float]:
    """Returns the processor seconds so far of a process and all below it, by kind.

    Kinds: "engine" for vLLM's engine processes, "ray" for Ray's daemons, "driver" for the process
    itself, and "worker" for the rest, which is rankgen's worker.
    """
    found = dict.fromkeys(KINDS, 0.0)
    _add(psutil.Process(root), "driver", found)
    return found


def _add(process: psutil.Process, above: str, found: dict[str, float]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        kind = _kind(process.cmdline(), above)
        times = process.cpu_times()
        found[kind] += times.user + times.system
        for child in process.children():
            # Ray's daemons start the worker, which is not one of them.
            _add(child, "engine" if kind == "engine" else "worker", found)


def _kind(command: Sequence[str], above: str) -> str:
    line = " ".join(command)
    if above == "engine" or line.startswith("VLLM::"):
        return "engine"
    if not line.startswith("ray::") and any(name in line for name in _RAY):
        return "ray"
    return "ray" if line.startswith("ray::IDLE") else above


class Measures:
    """Writes marks and samples to a file, from any number of processes.

    Args:
        path: The file.
        root: The process whose tree counts.
    """

    def __init__(self, path: Path, root: int) -> None:
        self._path, self._root = path, root
        self._ended = threading.Event()

    def mark(self, name: str) -> None:
        """Writes the time and the processor seconds so far."""
        self._write({"mark": name, "cpu": processor_seconds(self._root)})

    def sample(self) -> None:
        """Samples this process's engine in a thread until `end`."""
        threading.Thread(target=self._sample, daemon=True).start()

    def end(self) -> None:
        """Ends the samples."""
        self._ended.set()

    def _sample(self) -> None:
        from prometheus_client import REGISTRY

        # Only these two are collected: all of them would take milliseconds.
        running, waiting = (REGISTRY.restricted_registry([name]) for name in _GAUGES)
        while not self._ended.wait(SAMPLE_SECONDS):
            values = {"running": _total(running), "waiting": _total(waiting)}
            self._write({**values, "thread_seconds": time.thread_time()})

    def _write(self, values: Mapping[str, object]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": time.time(), **values}) + "\n")


def _total(registry: Any) -> float:
    return sum(float(one.value) for metric in registry.collect() for one in metric.samples)


def measured(path: Path, windows: int) -> dict[str, Any]:
    """Returns what lies between the marks "begin" and the last "end".

    Returns:
        "seconds"; "windows_per_second"; processor milliseconds a window "outside_ms" (driver and
        worker, without taking the samples), "driver_ms", "ray_ms" and "engine_ms"; "running", the
        mean of the requests that ran; and "occupancy", rows of seconds
        since the beginning, requests running and requests waiting.
    """
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    begin = next(line for line in lines if line.get("mark") == "begin")
    end = [line for line in lines if line.get("mark") == "end"][-1]
    seconds = end["time"] - begin["time"]
    spent = {kind: end["cpu"][kind] - value for kind, value in begin["cpu"].items()}
    sampled = [line["thread_seconds"] for line in lines if "thread_seconds" in line]
    outside = spent["driver"] + spent["worker"] - (sampled[-1] if sampled else 0.0)
    occupancy = [
        [round(line["time"] - begin["time"], 2), line["running"], line["waiting"]]
        for line in lines
        if "running" in line and begin["time"] <= line["time"] <= end["time"]
    ]
    return {
        "seconds": round(seconds, 3),
        "windows_per_second": round(windows / seconds, 3),
        "outside_ms": round(1000 * outside / windows, 3),
        "driver_ms": round(1000 * spent["driver"] / windows, 3),
        "ray_ms": round(1000 * spent["ray"] / windows, 3),
        "engine_ms": round(1000 * spent["engine"] / windows, 3),
        "running": round(_mean_over_time(occupancy), 2),
        "occupancy": occupancy,
    }


def _mean_over_time(occupancy: Sequence[Sequence[float]]) -> float:
    if len(occupancy) < 2:
        return 0.0
    area = sum(first[1] * (second[0] - first[0]) for first, second in pairwise(occupancy))
    return area / (occupancy[-1][0] - occupancy[0][0])
