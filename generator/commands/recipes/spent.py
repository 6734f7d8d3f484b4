"""GPU-hours, and the sizes of finished runs that they are counted from."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rankgen.manifests.recipes.estimates import Lists
from rankgen.manifests.run.run_directory import RunDirectory

HOUR = 3600.0


class Spent(NamedTuple):
    """GPU-hours of one step, or of several.

    Attributes:
        train: Of training, validations included.
        score: Of students that score candidates.
        label: Of teachers.
    """

    train: float = 0.0
    score: float = 0.0
    label: float = 0.0

    def __add__(self, other: object) -> Spent:
        """Adds kind by kind."""
        if not isinstance(other, Spent):
            return NotImplemented
        return Spent(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def total(self) -> float:
        """All kinds together."""
        return self.train + self.score + self.label


def published_lists(folder: Path) -> Lists | None:
    """Returns what a run has published: its lists, and the passages in the longest of the first.

    Only the first shard's lists are measured: to read all of a large run takes minutes.
    """
    run = RunDirectory(folder)
    for table in ("rankings", "candidates"):
        paths = run.shard_paths(table)
        if not paths:
            continue
        import pyarrow.parquet as pq

        lists = sum(pq.read_metadata(str(path)).num_rows for path in paths)
        first = next(run.shards(table, ["doc_ids"]))["doc_ids"].to_pylist()
        longest = max((len(doc_ids) for doc_ids in first), default=0)
        return Lists(lists, longest) if lists and longest else None
    return None
