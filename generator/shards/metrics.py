"""Prometheus metrics of a run, on a port or in a file for node_exporter."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rankgen.generator.engines.gauges import GAUGES, is_counter
from rankgen.generator.shards.repeated import repeated
from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.run.driver_report import DriverReport, WorkerReport, WorkerState

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

FILE_SECONDS = 10.0
WORKER_STATES: tuple[WorkerState, ...] = ("waiting", "loading", "idle", "working")


class _Shown:
    """The run that this process works on, or worked on last."""

    def __init__(self) -> None:
        self.run = ""
        self.report: Callable[[], DriverReport] | None = None


_SHOWN = _Shown()


def show_as_metrics(run: str, report: Callable[[], DriverReport]) -> None:
    """Makes this process's metrics describe a run, until the next call.

    Args:
        run: The run's folder, as the user named it.
        report: Returns the current state; may be called from any thread.
    """
    _SHOWN.run, _SHOWN.report = run, report


@contextlib.contextmanager
def published_metrics(port: int | None, file: Path | None) -> Iterator[None]:
    """Publishes the metrics of the runs in the block.

    Args:
        port: The HTTP port for Prometheus; None opens no port.
        file: The file for node_exporter's textfile collector; None writes no file.

    Raises:
        EnvironmentProblem: The port is in use.
        UsageError: The file's folder does not exist, or node_exporter would ignore its name.
    """
    with contextlib.ExitStack() as stack:
        if file is not None:
            stack.enter_context(_in_file(file))
        if port is not None:
            stack.enter_context(_on_port(port))
        yield


@contextlib.contextmanager
def _on_port(port: int) -> Iterator[None]:
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(port, registry=_registry())
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise EnvironmentProblem(
            f"metrics cannot be served on port {port}: {reason}",
            "choose another port with --metrics-port",
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def _in_file(path: Path) -> Iterator[None]:
    if path.suffix != ".prom" or not path.parent.is_dir():
        problem = "does not end in .prom" if path.suffix != ".prom" else "is in a missing folder"
        raise UsageError(
            f"the metrics file {path} {problem}",
            "give --metrics-file a path such as metrics.prom in node_exporter's folder",
        )
    from prometheus_client import write_to_textfile

    registry = _registry()

    def write() -> None:
        # A full disk must not end the run.
        with contextlib.suppress(OSError):
            write_to_textfile(str(path), registry)

    with repeated(write, FILE_SECONDS):
        yield


def _registry() -> CollectorRegistry:
    from prometheus_client import CollectorRegistry
    from prometheus_client.registry import Collector

    class Collected(Collector):
        def collect(self) -> Iterator[Metric]:
            if _SHOWN.report is not None:
                yield from _metrics(_SHOWN.run, _SHOWN.report())

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected())
    return registry


def _metrics(run: str, report: DriverReport) -> Iterator[Metric]:
    """Yields the metrics, which `README.md` lists."""
    unit, own = report.unit, {"run": run, "kind": report.kind}
    for name, about, value in (
        ("queries_planned", "Queries of the run.", report.queries),
        ("queries_done", "Queries that are published.", report.queries_done),
        ("queries_failed", "Queries that are quarantined.", report.queries_failed),
        (f"{unit}_total", f"{unit} that this driver's workers have done or replayed.", report.done),
        (f"{unit}_per_second", f"{unit} per second over the last minute.", report.per_second),
        *((name, GAUGES[name], value) for name, value in report.counters.items() if name in GAUGES),
    ):
        yield _metric(name, about, [(own, value)])
    states = [worker.state for worker in report.workers]
    by_state = [({**own, "state": state}, float(states.count(state))) for state in WORKER_STATES]
    yield _metric("workers", "Workers by state.", by_state)
    yield from _metrics_of_workers(unit, own, [w for w in report.workers if w.worker is not None])


def _metrics_of_workers(
    unit: str, own: Mapping[str, str], workers: Sequence[WorkerReport]
) -> Iterator[Metric]:
    values: dict[str, tuple[str, list[float | None]]] = {
        f"worker_{unit}_per_second": (
            f"{unit} per second of one worker over the last minute.",
            [worker.per_second for worker in workers],
        ),
        "worker_silent_seconds": (
            "Seconds since a worker with a task last made progress.",
            [worker.silent_seconds for worker in workers],
        ),
        **{
            name: (about, [worker.gauges.get(name) for worker in workers])
            for name, about in GAUGES.items()
            if not is_counter(name)
        },
    }
    labels = [{**own, "worker": str(w.worker), "node": w.node or ""} for w in workers]
    for name, (about, found) in values.items():
        known = [
            (label, value) for label, value in zip(labels, found, strict=True) if value is not None
        ]
        if known:
            yield _metric(name, about, known)


def _metric(name: str, about: str, values: Sequence[tuple[Mapping[str, str], float]]) -> Metric:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    kind = CounterMetricFamily if is_counter(name) else GaugeMetricFamily
    metric = kind(f"rankgen_{name}", about, labels=list(values[0][0]))
    for labels, value in values:
        metric.add_metric(list(labels.values()), value)
    return metric
