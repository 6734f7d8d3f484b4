"""Rounds an ONNX graph's weights to int8, and tries whether a CPU multiplies them rightly.

Activations are rounded while the model runs, by the largest of each batch. A CPU without VNNI
instructions adds two products of 8 bits in 16 bits, which overflow, and returns wrong scores
without a word; with weights of 7 bits no sum can overflow.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rankgen.manifests.errors import EnvironmentProblem, UsageError, reason_of
from rankgen.manifests.notices import warn
from rankgen.students.shipping.onnx_export import quiet

if TYPE_CHECKING:
    from rankgen.students.shipping.settings import WeightBits

# The products of the layers and the embeddings; the head, a Gemm on one token of a pair, costs
# nothing and stays in 32 bits.
ROUNDED = ("MatMul", "Gather")
SEVEN_BITS = 7
# Instructions that add products of 8 bits in 32, as Linux names them.
SUMS_OF_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})


def quantise(source: Path, target: Path, bits: int) -> None:
    """Writes a graph whose weights have 8 bits with a scale of each column, or 7 of them.

    Args:
        source: A graph in 32 bits.
        target: The file to write.
        bits: 8 or 7.

    Raises:
        UsageError: onnxruntime cannot quantise the graph.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    try:
        with quiet():
            quantize_dynamic(
                str(source),
                str(target),
                op_types_to_quantize=list(ROUNDED),
                per_channel=True,
                reduce_range=bits == SEVEN_BITS,
                weight_type=QuantType.QInt8,
                # Products of two activations, as in attention, stay in 32 bits.
                extra_options={"MatMulConstBOnly": True},
            )
    # onnxruntime raises whatever its passes stumble on.
    except Exception as error:
        raise UsageError(
            f"the student cannot be quantised: {reason_of(error)}", "use --format onnx"
        ) from None


def resolved_bits(asked: WeightBits) -> int:
    """Returns the bits of weights: those asked for, or for `auto` what this CPU computes rightly.

    Raises:
        EnvironmentProblem: 8 are asked for, and this CPU's products overflow.
    """
    bits = (SEVEN_BITS if products_overflow() else 8) if asked == "auto" else int(asked)
    check_cpu(bits, "the student")
    return bits


def check_cpu(bits: int, what: str) -> None:
    """Refuses weights that this CPU computes wrong scores from; warns of those it is slow with.

    Raises:
        EnvironmentProblem: The weights have 8 bits and this CPU's products overflow.
    """
    if bits > 8:
        return
    lacking = lacking_instructions()
    why = "" if lacking is None else f"this CPU lacks {lacking}, and "
    if bits > SEVEN_BITS and products_overflow():
        raise EnvironmentProblem(
            f"{what} cannot be scored with int8 weights of 8 bits here: {why}its products of 8 "
            "bits overflow",
            "rankgen ship STUDENT --format onnx, or --format onnx-int8 --weight-bits 7",
        )
    if lacking is not None:
        warn(
            f"int8 may be no faster than 32 bits here: this CPU lacks {lacking}; "
            "rankgen ship STUDENT --format onnx needs no such instructions"
        )


def lacking_instructions() -> str | None:
    """Names the instructions for products of 8 bits that this CPU lacks.

    None if it has them, or where the system does not say.
    """
    has = cpu_features()
    if not has or has & SUMS_OF_PRODUCTS:
        return None
    if "asimd" in has:
        return "the dot products of ARMv8.2"
    return "VNNI" if "avx2" in has else "AVX2 and VNNI"


def cpu_features() -> frozenset[str]:
    """Returns the instruction sets that the kernel lists; empty where it lists none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    named = (line.partition(":") for line in lines)
    listed = (value for name, _, value in named if name.strip() in ("flags", "Features"))
    return frozenset(next(listed, "").split())


@functools.cache
def products_overflow() -> bool:
    """Tells whether onnxruntime's products of uint8 and int8 are wrong on this CPU: it tries."""
    left = np.full((4, 64), 255, dtype=np.uint8)
    right = np.full((64, 32), 127, dtype=np.int8)
    exact = left.astype(np.int32) @ right.astype(np.int32)
    return bool((_product(left, right) != exact).any())


def _product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns onnxruntime's product of (n, k) uint8 with constant (k, m) int8, as int32."""
    import onnx
    import onnxruntime

    shapes = [len(left), right.shape[1]]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMulInteger", ["left", "right"], ["product"])],
        "product",
        [onnx.helper.make_tensor_value_info("left", onnx.TensorProto.UINT8, list(left.shape))],
        [onnx.helper.make_tensor_value_info("product", onnx.TensorProto.INT32, shapes)],
        [onnx.numpy_helper.from_array(right, "right")],
    )
    opset = [onnx.helper.make_opsetid("", 13)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    product: np.ndarray = session.run(None, {"left": left})[0]
    return product
