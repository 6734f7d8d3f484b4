"""Writes an ONNX graph in OpenVINO's own form: a file of its structure and one of its weights."""

from __future__ import annotations

from pathlib import Path

from rankgen.manifests.errors import EnvironmentProblem, UsageError, reason_of
from rankgen.students.shipping.onnx_export import quiet


def write_openvino(source: Path, target: Path) -> None:
    """Writes a graph with the inputs, output and weights of an ONNX one, in 32 bits.

    Args:
        source: The ONNX file.
        target: The XML file to write; the weights go beside it.

    Raises:
        EnvironmentProblem: openvino is not installed.
        UsageError: The graph has an operator that OpenVINO lacks.
    """
    check_openvino()
    import openvino

    try:
        with quiet():
            # Not convert_model, which reports its use over the network unless told otherwise.
            model = openvino.Core().read_model(str(source))
            openvino.save_model(model, str(target), compress_to_fp16=False)
    # openvino raises one kind of error for everything.
    except Exception as error:
        raise UsageError(
            f"the student cannot be written for OpenVINO: {reason_of(error)}", "use --format onnx"
        ) from None


def check_openvino() -> None:
    """Refuses to go on without the package.

    Raises:
        EnvironmentProblem: openvino is not installed.
    """
    try:
        import openvino  # noqa: F401 - whether it loads is the question
    except ImportError:
        raise EnvironmentProblem(
            "shipping for OpenVINO needs the package openvino",
            "pip install 'rankgen-distill[ship]'",
        ) from None
