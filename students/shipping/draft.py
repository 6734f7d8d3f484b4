"""What a shipped folder holds beside its graph, and how it becomes visible as a whole."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from rankgen.manifests.models.model_source import RECORD_FILE, pinned_model
from rankgen.manifests.run.provenance import software
from rankgen.manifests.storage.atomic import fsync_directory, fsync_file
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.cuts import CUTS_ENTRY
from rankgen.students.reranking.student_identity import student_identity
from rankgen.students.shipping.card import CardContent, card
from rankgen.students.shipping.onnx_export import input_names
from rankgen.students.shipping.record import graph_digests
from rankgen.students.shipping.shipped import Shipped
from rankgen.students.shipping.shipped_before import asked_for, figures_of
from rankgen.students.shipping.shipped_folder import CALIBRATION, CARD, RECORD
from rankgen.students.shipping.snippets import Loading
from rankgen.students.shipping.truncation import own_cuts
from rankgen.students.shipping.work import Work
from rankgen.students.training.learned_queries import learned_by, write_learned


def save_student(encoder: CrossEncoder, draft: Path) -> None:
    """Writes weights, configuration and tokenizer; pairs stay cut as they were."""
    encoder.save(draft)
    if encoder.pair_tokens is not None:
        # It has no cuts of its own, so that none may be recorded.
        path = draft / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        config.pop(CUTS_ENTRY, None)
        _write_json(path, config)


def describe(work: Work, shipped: Shipped, draft: Path) -> None:
    """Writes the record, the calibration and the card."""
    settings, encoder = work.settings, work.encoder
    record = {
        "format": settings.format,
        "weight_bits": work.weight_bits,
        "graph_sha256": graph_digests(draft, settings.format),
        "student": student_identity(pinned_model(settings.student)),
        "parameters": shipped.parameters,
        "export_difference": shipped.export_difference,
        "quality": shipped.quality and shipped.quality.model_dump(),
        "truncation": shipped.truncation and shipped.truncation.model_dump(),
        "asked": asked_for(settings),
        "figures": figures_of(shipped),
        "software": software(),
    }
    _write_json(draft / RECORD, record)
    if shipped.calibration is not None:
        _write_json(draft / CALIBRATION, shipped.calibration.model_dump())
    # How the student was trained.
    trained = Path(settings.student) / RECORD_FILE
    if trained.is_file():
        shutil.copyfile(trained, draft / RECORD_FILE)
    if (learned := learned_by(pinned_model(settings.student))) is not None:
        write_learned(draft, learned)
    assert shipped.servers is not None
    assert shipped.graph_bytes is not None
    content = CardContent(
        loading=Loading(
            name=settings.out.name,
            cuts=own_cuts(encoder),
            longest=encoder.longest_pair,
            inputs=input_names(encoder),
            pad_id=encoder.template.pad_id,
            is_openvino=settings.format == "openvino",
        ),
        student=Path(settings.student).name,
        weight_bits=work.weight_bits,
        megabytes=(shipped.graph_bytes / 1e6, shipped.student_bytes / 1e6),
        servers=shipped.servers,
        export_difference=shipped.export_difference or 0.0,
        quality=shipped.quality,
        calibration=shipped.calibration,
        truncation=shipped.truncation,
        long_documents=encoder.long_documents,
        is_judged=work.held is not None and work.held.is_judged,
    )
    (draft / CARD).write_text(card(content), encoding="utf-8")


def _write_json(path: Path, values: object) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def publish(draft: Path, out: Path) -> None:
    """Makes the whole folder visible in one step."""
    for path in draft.rglob("*"):
        if path.is_file():
            fsync_file(path)
    fsync_directory(draft)
    # Onto an empty folder, too.
    os.replace(draft, out)
    fsync_directory(out.absolute().parent)
