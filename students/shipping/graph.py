"""Writes a student's graph in the format that was asked for, and proves that it scores the same."""

from __future__ import annotations

import os
from pathlib import Path

from rankgen.students.shipping.int8 import quantise
from rankgen.students.shipping.onnx_export import export_onnx
from rankgen.students.shipping.openvino_export import write_openvino
from rankgen.students.shipping.quality import Scorer, check_equal
from rankgen.students.shipping.shipped_folder import graph_files
from rankgen.students.shipping.shipped_student import with_session
from rankgen.students.shipping.work import Work


def write_graph(work: Work, draft: Path) -> tuple[Scorer, float]:
    """Writes the files of the graph into a folder.

    Returns:
        The student as the graph scores it, and the largest difference between the scores of the
        graph in 32 bits and the student's.

    Raises:
        UsageError: The model cannot be written in this format.
        IntegrityProblem: The graph in 32 bits scores otherwise than the student.
    """
    settings = work.settings
    graph = draft / graph_files(settings.format)[0]
    graph.parent.mkdir(parents=True)
    exported = graph.with_name("exported.onnx")
    export_onnx(work.encoder, exported)
    if settings.format == "openvino":
        write_openvino(exported, graph)
        exported.unlink()
        shipped = with_session(work.encoder, graph, threads=settings.threads)
        return shipped, check_equal(work.student, shipped)
    shipped = with_session(work.encoder, exported, threads=settings.threads)
    apart = check_equal(work.student, shipped)
    if work.weight_bits == 32:
        os.replace(exported, graph)
        return shipped, apart
    quantise(exported, graph, work.weight_bits)
    exported.unlink()
    return with_session(work.encoder, graph, threads=settings.threads), apart


def graph_bytes(draft: Path, form: str) -> int:
    """Returns the size of a graph's files."""
    return sum((draft / name).stat().st_size for name in graph_files(form))
