"""Where shared rankings lie: the files of a path, an archive or a data set on the Hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rankgen.manifests.storage.hub_runs import is_hub

# How a file's rows are written: JSON objects by line or in one array, Parquet, columns of text with
# or without a header, or the six columns of a TREC run.
Kind = Literal["jsonl", "json", "parquet", "text"]


@dataclass(frozen=True)
class Part:
    """One file of a source.

    Attributes:
        name: The file as messages name it: its path, with the member of an archive after "!".
        path: Where it lies on this machine; compressed files are read as they are (`opened`).
        kind: How its rows are written.
        config: The folder that it lies in below the source, such as "scores"; "" at its top.
    """

    name: str
    path: Path
    kind: Kind
    config: str = ""


@dataclass(frozen=True)
class Source:
    """All files of a source, in the order of their names.

    Attributes:
        told: The source as the user named it, or "hf:NAME@COMMIT" for a data set on the Hub.
        parts: Its files.
        sha256: Digest of the contents of all files.
    """

    told: str
    parts: tuple[Part, ...]
    sha256: str

    @property
    def name(self) -> str:
        """What a run calls it: without the folders above it."""
        return self.told if is_hub(self.told) else Path(self.told).resolve().name
