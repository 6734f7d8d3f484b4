"""The metrics of a training as JSON lines, one a step and one a validation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from rankgen.manifests.atomic import write_whole
from rankgen.manifests.trec import lines_of


class MetricsLog:
    """Appends to <out>/.rankgen/metrics.jsonl.

    Args:
        path: The file.
        resumed_step: Lines of later steps are dropped: they will be written again.
    """

    def __init__(self, path: Path, resumed_step: int) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            write_whole(path, _lines_until(path, resumed_step).encode())

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one line; `step` counts from 1."""
        line = json.dumps({"step": step, **values})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _lines_until(path: Path, step: int) -> str:
    kept = []
    for _, line in lines_of(path):
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except ValueError:
            # The line that a kill cut short.
            continue
    return "".join(kept)
