"""A training of several processes, watched from the command that started it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rankgen.generator.shards.team import run_in_team
from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.progress import Progress, progress
from rankgen.manifests.storage.hub_runs import is_hub
from rankgen.retrieval.collections.judgements import is_catalogued
from rankgen.students.model.bundled import BUNDLED_BACKBONE
from rankgen.students.training.metrics_log import metrics_path
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.student_folder import finished_summary
from rankgen.students.training.summary import TrainSummary
from rankgen.students.training.train import train_student
from rankgen.students.training.training_facts import with_pinned_backbone, with_pinned_data

_LOOK_SECONDS = 1.0


def train_in_team(settings: TrainSettings, workers: int, ray_address: str | None) -> TrainSummary:
    """Trains a student in `workers` processes of a Ray cluster; see `train_student`.

    Raises:
        RankgenError: See `train_student` and `run_in_team`.
    """
    settings = anchored(settings)
    if finished_summary(settings.out) is not None:
        # It recognises the student or refuses another recipe, which takes no team.
        return train_student(settings)
    if settings.precision == "bf16" and ray_address is None:
        _warn_if_slow(settings)
    with _shown_progress(metrics_path(settings.out)):
        run_in_team(
            _Training(settings),
            workers,
            settings.out / ".rankgen" / "team",
            may_use_gpus=settings.device != "cpu",
            ray_address=ray_address,
        )
    summary = finished_summary(settings.out)
    if summary is None:
        raise IntegrityProblem(f"the training left no student in {settings.out}", "repeat it")
    return summary.model_copy(update={"was_finished": False})


def _warn_if_slow(settings: TrainSettings) -> None:
    """Says here what the workers, whose own output nobody sees, would say of this machine."""
    from rankgen.students.model.device import choose_device
    from rankgen.students.model.precision import resolve_precision

    resolve_precision(settings.precision, choose_device(settings.device).type)


@dataclass(frozen=True)
class _Training:
    settings: TrainSettings

    def __call__(self) -> None:
        train_student(self.settings)


def anchored(settings: TrainSettings) -> TrainSettings:
    """Returns the settings with absolute paths and commits of what comes from the Hub.

    Workers stand in other folders, and start at other moments.
    """
    settings = with_pinned_data(with_pinned_backbone(settings))
    paths: dict[str, object] = {"out": settings.out.absolute()}
    paths["rankings"] = _absolute(settings.rankings)
    for name in ("validation", "validation_qrels", "validation_rankings"):
        paths[name] = tuple(_absolute(path) for path in getattr(settings, name))
    backbone = Path(settings.backbone)
    # The packaged one is not a folder of that name, such as the run's own.
    is_folder = settings.backbone != BUNDLED_BACKBONE and backbone.is_dir()
    named = str(backbone.absolute()) if is_folder else settings.backbone
    return settings.model_copy(update={**paths, "backbone": named})


def _absolute(path: Path) -> Path:
    return path if is_catalogued(path) or is_hub(path) else path.absolute()


@contextmanager
def _shown_progress(metrics: Path) -> Iterator[None]:
    """Shows the steps that the first worker writes down."""
    ended = threading.Event()
    with progress("train student", None) as shown:
        watcher = threading.Thread(target=_follow, args=(metrics, shown, ended), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def _follow(metrics: Path, shown: Progress, ended: threading.Event) -> None:
    told = 0
    while not ended.wait(_LOOK_SECONDS):
        if metrics.exists():
            steps = metrics.read_text(encoding="utf-8").count('"loss"')
            shown.advance(max(0, steps - told))
            told = max(told, steps)
