"""Graphs that are open in ONNX Runtime or OpenVINO, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rankgen.manifests.errors import EnvironmentProblem, UsageError, reason_of
from rankgen.students.shipping.onnx_export import OUTPUT

Inputs = Mapping[str, NDArray[np.int64]]


class Session(Protocol):
    """A graph that can be computed."""

    @property
    def names(self) -> frozenset[str]:
        """The graph's inputs."""
        ...

    def logits(self, inputs: Inputs) -> NDArray[np.float32]:
        """Returns the output of inputs of shape (pairs, tokens), shape (pairs, outputs)."""
        ...


def open_session(graph: Path, threads: int) -> Session:
    """Opens a graph with what computes files of its name.

    Args:
        graph: A file of ONNX, or the XML file of OpenVINO's.
        threads: Threads of one forward pass.

    Raises:
        EnvironmentProblem: The package is not installed.
        UsageError: The package cannot open the file.
    """
    is_openvino = graph.suffix == ".xml"
    package = "openvino" if is_openvino else "onnxruntime"
    try:
        return OpenVinoSession(graph, threads) if is_openvino else OnnxSession(graph, threads)
    except ImportError:
        raise EnvironmentProblem(
            f"{graph} needs the package {package}", "pip install 'rankgen-distill[ship]'"
        ) from None
    # Both have errors of their own for every kind of damage.
    except Exception as error:
        raise UsageError(
            f"{graph} cannot be opened by {package}: {reason_of(error)}",
            f"rankgen ship the student again with this {package}",
        ) from None


class OnnxSession:
    """A graph in ONNX Runtime."""

    def __init__(self, graph: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(
            str(graph), options, providers=["CPUExecutionProvider"]
        )
        self.names = frozenset(each.name for each in self._session.get_inputs())

    def logits(self, inputs: Inputs) -> NDArray[np.float32]:
        """Returns the graph's output."""
        (logits,) = self._session.run([OUTPUT], dict(inputs))
        found: NDArray[np.float32] = logits
        return found


class OpenVinoSession:
    """A graph in OpenVINO, computed in 32 bits: left alone it takes bfloat16 where that is fast."""

    def __init__(self, graph: Path, threads: int) -> None:
        import openvino

        options = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        compiled: Any = openvino.Core().compile_model(str(graph), "CPU", options)
        self._request: Any = compiled.create_infer_request()
        self.names = frozenset(each.get_any_name() for each in compiled.inputs)

    def logits(self, inputs: Inputs) -> NDArray[np.float32]:
        """Returns the graph's output."""
        found: NDArray[np.float32] = self._request.infer(dict(inputs))[OUTPUT]
        return found
