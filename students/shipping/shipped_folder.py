"""The layout of a shipped folder; knowing it loads nothing heavy."""

from __future__ import annotations

from pathlib import Path

# What is shipped, in what format, of which student.
RECORD = "shipped.json"
# Where loaders of ONNX and OpenVINO models look first.
ONNX_FILE = "onnx/model.onnx"
OPENVINO_FILE = "openvino/openvino_model.xml"
CALIBRATION = "calibration.json"
CARD = "README.md"


def is_shipped(student: str) -> bool:
    """Tells whether a student is a folder that `rankgen ship` wrote."""
    return (Path(student) / RECORD).is_file()


def graph_files(form: str) -> tuple[str, ...]:
    """Returns the files of a format's graph, that which is opened first."""
    if form == "openvino":
        return OPENVINO_FILE, OPENVINO_FILE.removesuffix(".xml") + ".bin"
    return (ONNX_FILE,)
