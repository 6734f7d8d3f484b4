"""The types of settings that name a run: a folder, `s3://bucket/folder` or, to read, a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

from rankgen.manifests.storage.hub_runs import is_hub
from rankgen.manifests.storage.object_store import open_root


def _opened(value: object) -> Path:
    if isinstance(value, str) or hasattr(value, "relative_to"):
        return open_root(value)  # type: ignore[arg-type]  # a Path, or a UPath
    raise ValueError("it is not a path")


def _writable(value: object) -> Path:
    path = _opened(value)
    if is_hub(path):
        raise ValueError("a run is made in a folder and then published: rankgen publish RUN")
    return path


# A run to read: also `hf:USER/NAME`, which `RunDirectory` downloads when it is opened.
RunPath = Annotated[Path, PlainValidator(_opened), PlainSerializer(str, when_used="json")]
# A run to make.
NewRunPath = Annotated[Path, PlainValidator(_writable), PlainSerializer(str, when_used="json")]
