"""The type of a setting that names a run: a folder on a disk, or `s3://bucket/folder`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

from rankgen.manifests.storage.object_store import open_root


def _opened(value: object) -> Path:
    if isinstance(value, str) or hasattr(value, "relative_to"):
        return open_root(value)  # type: ignore[arg-type]  # a Path, or a UPath
    raise ValueError("it is not a path")


RunPath = Annotated[Path, PlainValidator(_opened), PlainSerializer(str, when_used="json")]
