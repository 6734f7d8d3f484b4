"""The layout of a shipped folder; knowing it loads nothing heavy."""

from __future__ import annotations

from pathlib import Path

# What is shipped, in what format, of which student.
RECORD = "shipped.json"
# Where loaders of ONNX models look first.
ONNX_FILE = "onnx/model.onnx"
CALIBRATION = "calibration.json"
CARD = "README.md"


def is_shipped(student: str) -> bool:
    """Tells whether a student is a folder that `rankgen ship` wrote."""
    return (Path(student) / RECORD).is_file()
