"""What shipped.json says of a shipped folder's graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.storage.digest import sha256_of_file
from rankgen.students.shipping.shipped_folder import ONNX_FILE, RECORD, graph_files


class ShippedRecord(BaseModel):
    """What of shipped.json the scores depend on.

    Attributes:
        weight_bits: 32, or 8 or 7 of quantised weights.
        graph_sha256: Digest of each file of the graph.
        student: Identity of the student.
        parameters: The number of the student's weights.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: str
    weight_bits: int
    graph_sha256: dict[str, str]
    student: str
    parameters: int

    @model_validator(mode="before")
    @classmethod
    def _knows_the_first_records(cls, values: Any) -> Any:
        """Reads records of when a graph was one ONNX file."""
        if isinstance(values, dict) and "onnx_sha256" in values:
            return {"graph_sha256": {ONNX_FILE: values["onnx_sha256"]}, **values}
        return values


def read_record(folder: Path) -> ShippedRecord:
    """Reads shipped.json.

    Raises:
        IntegrityProblem: It is damaged.
    """
    try:
        values = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return ShippedRecord.model_validate(values)
    except (OSError, ValueError, ValidationError):
        raise IntegrityProblem(
            f"{folder / RECORD} is damaged", "restore it, or rankgen ship the student again"
        ) from None


def graph_digests(folder: Path, form: str) -> dict[str, str]:
    """Returns the digest of each file of a graph."""
    return {name: sha256_of_file(folder / name) for name in graph_files(form)}


def checked_graph(folder: Path, record: ShippedRecord) -> Path:
    """Returns the file of the graph that is opened first.

    Raises:
        IntegrityProblem: A file of the graph is not the one that was shipped.
    """
    for name in graph_files(record.format):
        path = folder / name
        if not path.is_file() or sha256_of_file(path) != record.graph_sha256.get(name):
            raise IntegrityProblem(
                f"{path} is not the file that was shipped", "restore it, or rankgen ship it again"
            )
    return folder / graph_files(record.format)[0]
