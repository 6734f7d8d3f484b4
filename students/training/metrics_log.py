"""Metrics of a training as JSON lines, one per step and validation, and for TensorBoard."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from rankgen.manifests.storage.atomic import write_whole
from rankgen.manifests.text_lines import lines_of

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def metrics_path(out: Path) -> Path:
    """Returns the path of a training's metrics."""
    return out / ".rankgen" / "metrics.jsonl"


class MetricsLog:
    """Appends to a file and, if TensorBoard is installed, to the folder `tensorboard` beside it.

    Args:
        path: The file.
        resumed_step: Lines of later steps are dropped, since these are repeated.
    """

    def __init__(self, path: Path, resumed_step: int) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            write_whole(path, _lines_until(path, resumed_step).encode())
        self._board = _board(path.with_name("tensorboard"), resumed_step)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one line; `step` counts from 1."""
        line = json.dumps({"step": step, **values})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Writes what is left in TensorBoard's buffer."""
        if self._board is not None:
            self._board.close()


def _board(folder: Path, resumed_step: int) -> SummaryWriter | None:
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    # TensorBoard hides what an earlier session wrote from here on.
    return SummaryWriter(str(folder), purge_step=resumed_step + 1)


def _lines_until(path: Path, step: int) -> str:
    kept = []
    for _, line in lines_of(path):
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except ValueError:
            # A kill cut this line short.
            continue
    return "".join(kept)


def metrics_rows(out: Path) -> pa.Table:
    """Returns the metrics that a training in `out` wrote; null where a line has no such metric."""
    rows = [json.loads(line) for _, line in lines_of(metrics_path(out))]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: [row.get(name) for row in rows] for name in names})
