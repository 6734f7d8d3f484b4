"""Residual sums that ONNX Runtime leaves apart from the layer norm behind them.

It would make one operator of the two, which a CPU computes number by number, in some twenty times
the time of its own layer norm: a fifth of an int8 graph's. It does not look for sums of another
name.
"""

from __future__ import annotations

from pathlib import Path


def keep_sums_apart(graph: Path) -> None:
    """Rewrites a graph's file: sums before layer norms become `Sum`, which is `Add` of any number.

    Args:
        graph: A file of ONNX.
    """
    import onnx

    model = onnx.load(graph)
    constants = {constant.name for constant in model.graph.initializer}
    made_by = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        before = made_by.get(node.input[0]) if node.op_type == "LayerNormalization" else None
        if before is not None and before.op_type == "Add" and constants.isdisjoint(before.input):
            before.op_type = "Sum"
    onnx.save(model, graph)
