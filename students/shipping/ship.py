"""Ships a student: exports, compares, calibrates, and publishes a whole folder or nothing."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.models.model_source import RECORD_FILE, pinned_model
from rankgen.manifests.run.provenance import software
from rankgen.manifests.storage.atomic import fsync_directory, fsync_file, make_folder
from rankgen.manifests.storage.digest import sha256_of_file
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.cuts import CUTS_ENTRY
from rankgen.students.model.hardware import Hardware, choose_hardware
from rankgen.students.model.loading import load_cross_encoder
from rankgen.students.reranking.student_identity import student_identity
from rankgen.students.shipping.calibration import Calibration, calibrate
from rankgen.students.shipping.card import CardContent, card
from rankgen.students.shipping.int8 import quantise, resolved_bits
from rankgen.students.shipping.onnx_export import export_onnx, input_names, weight_bytes
from rankgen.students.shipping.onnx_student import with_session
from rankgen.students.shipping.quality import Quality, Scorer, check_equal, compare
from rankgen.students.shipping.servers import Servers, servers_of
from rankgen.students.shipping.settings import ShipSettings
from rankgen.students.shipping.shipped_folder import (
    CALIBRATION,
    CARD,
    ONNX_FILE,
    RECORD,
    is_shipped,
)
from rankgen.students.shipping.snippets import Loading
from rankgen.students.shipping.truncation import Truncation, own_cuts, truncation_of
from rankgen.students.shipping.validation_set import ValidationSet, validation_set


class Shipped(BaseModel):
    """What was shipped, or would be.

    Attributes:
        weight_bits: 32, or 8 or 7 of quantised weights.
        student_bytes: The student's weights in 32 bits.
        onnx_bytes: The graph's file; None before it is written.
        export_difference: Largest difference between the scores of the graph in 32 bits and the
            student's, on made-up pairs; None before it is written.
        pairs: Pairs to compare on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path
    format: str
    weight_bits: int
    parameters: int
    student_bytes: int
    queries: int
    pairs: int
    onnx_bytes: int | None = None
    export_difference: float | None = None
    quality: Quality | None = None
    calibration: Calibration | None = None
    truncation: Truncation | None = None
    servers: Servers | None = None


@dataclass(frozen=True)
class _Work:
    """A student that is being shipped."""

    settings: ShipSettings
    encoder: CrossEncoder
    hardware: Hardware
    held: ValidationSet | None
    weight_bits: int

    @property
    def student(self) -> Scorer:
        return self.encoder, self.hardware

    def planned(self) -> Shipped:
        """Returns what is known beforehand."""
        return Shipped(
            out=self.settings.out,
            format=self.settings.format,
            weight_bits=self.weight_bits,
            parameters=weight_bytes(self.encoder.model) // 4,
            student_bytes=weight_bytes(self.encoder.model),
            queries=0 if self.held is None else len(self.held.qrels),
            pairs=0 if self.held is None else self.held.pairs,
        )


def ship(settings: ShipSettings) -> Shipped:
    """Writes a folder that ONNX Runtime, transformers and other servers load, with its card.

    Raises:
        UsageError: There is no such student, it cannot be written in this format, `out` exists, or
            int8 is asked for without anything to compare on.
        EnvironmentProblem: A package is missing, or this CPU would compute wrong scores.
        IntegrityProblem: The shipped model ranks significantly worse, or the exported one scores
            otherwise than the student.
    """
    _check(settings)
    work = _prepared(settings)
    if settings.dry_run:
        return work.planned()
    make_folder(settings.out.absolute().parent)
    draft = settings.out.with_name(f".{settings.out.name}.{uuid.uuid4().hex}.draft")
    try:
        (draft / ONNX_FILE).parent.mkdir(parents=True)
        _save(work.encoder, draft)
        shipped = _measured(work, draft)
        _describe(work, shipped, draft)
        _publish(draft, settings.out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return shipped


def _check(settings: ShipSettings) -> None:
    out = settings.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists and is not empty", "name a new folder: --out FOLDER")
    if is_shipped(settings.student):
        raise UsageError(
            f"{settings.student} is shipped already", "name the student that it was made from"
        )
    if settings.format != "onnx" and not settings.has_validation and not settings.accept_loss:
        raise UsageError(
            f"{settings.format} changes the scores, and there is nothing to compare it on",
            "add --candidates and --qrels, or --rankings, or ship it unseen with --accept-loss",
        )


def _prepared(settings: ShipSettings) -> _Work:
    weight_bits = 32 if settings.format == "onnx" else resolved_bits(settings.weight_bits)
    hardware = choose_hardware("cpu", "fp32", threads=settings.threads)
    encoder = load_cross_encoder(pinned_model(settings.student))
    # Servers would not know of a prompt, nor which of two outputs counts.
    has_more = encoder.relevant is not None or encoder.prompt
    if encoder.whole is not None or encoder.write is None or has_more:
        raise UsageError(
            f"{settings.student} is {encoder.kind}, which is not shipped",
            "serve it with vLLM or transformers",
        )
    return _Work(settings, encoder, hardware, validation_set(settings), weight_bits)


def _save(encoder: CrossEncoder, draft: Path) -> None:
    """Writes weights, configuration and tokenizer; pairs stay cut as they were."""
    encoder.save(draft)
    if encoder.pair_tokens is not None:
        # It has no cuts of its own, so that none may be recorded.
        path = draft / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        config.pop(CUTS_ENTRY, None)
        _write_json(path, config)


def _measured(work: _Work, draft: Path) -> Shipped:
    """Writes the graph and says what it is worth."""
    settings, graph = work.settings, draft / ONNX_FILE
    export_onnx(work.encoder, graph)
    shipped = with_session(work.encoder, graph, threads=settings.threads)
    apart = check_equal(work.student, shipped)
    if work.weight_bits < 32:
        exported = graph.with_name("exported.onnx")
        os.replace(graph, exported)
        quantise(exported, graph, work.weight_bits)
        exported.unlink()
        shipped = with_session(work.encoder, graph, threads=settings.threads)
    found = work.planned().model_copy(
        update={
            "onnx_bytes": graph.stat().st_size,
            "export_difference": apart,
            "servers": servers_of(work.encoder.model.config.architectures or []),
        }
    )
    if work.held is None:
        return found
    quality, scores = compare(work.student, shipped, work.held)
    _refuse_loss(quality, settings)
    is_judged, of = work.held.is_judged, work.held
    return found.model_copy(
        update={
            "quality": quality,
            "truncation": truncation_of(work.encoder, of.texts),
            "calibration": calibrate(scores, of.qrels, settings.relevant_from)
            if is_judged
            else None,
        }
    )


def _refuse_loss(quality: Quality, settings: ShipSettings) -> None:
    if settings.accept_loss or not quality.is_loss(settings.significance):
        return
    raise IntegrityProblem(
        f"{settings.format} ranks worse than the student: nDCG@10 {quality.shipped:.4f} instead of "
        f"{quality.student:.4f} on {quality.source} (p {quality.p:.2g})",
        "use --format onnx, or ship it all the same with --accept-loss",
    )


def _describe(work: _Work, shipped: Shipped, draft: Path) -> None:
    """Writes the record, the calibration and the card."""
    settings, encoder = work.settings, work.encoder
    record = {
        "format": settings.format,
        "weight_bits": work.weight_bits,
        "onnx_sha256": sha256_of_file(draft / ONNX_FILE),
        "student": student_identity(pinned_model(settings.student)),
        "parameters": shipped.parameters,
        "export_difference": shipped.export_difference,
        "quality": shipped.quality and shipped.quality.model_dump(),
        "truncation": shipped.truncation and shipped.truncation.model_dump(),
        "software": software(),
    }
    _write_json(draft / RECORD, record)
    if shipped.calibration is not None:
        _write_json(draft / CALIBRATION, shipped.calibration.model_dump())
    # How the student was trained.
    trained = Path(settings.student) / RECORD_FILE
    if trained.is_file():
        shutil.copyfile(trained, draft / RECORD_FILE)
    assert shipped.servers is not None
    assert shipped.onnx_bytes is not None
    content = CardContent(
        loading=Loading(
            name=settings.out.name,
            cuts=own_cuts(encoder),
            longest=encoder.longest_pair,
            inputs=input_names(encoder),
            pad_id=encoder.template.pad_id,
        ),
        student=Path(settings.student).name,
        weight_bits=work.weight_bits,
        megabytes=(shipped.onnx_bytes / 1e6, shipped.student_bytes / 1e6),
        servers=shipped.servers,
        export_difference=shipped.export_difference or 0.0,
        quality=shipped.quality,
        calibration=shipped.calibration,
        truncation=shipped.truncation,
        long_documents=encoder.long_documents,
    )
    (draft / CARD).write_text(card(content), encoding="utf-8")


def _write_json(path: Path, values: object) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _publish(draft: Path, out: Path) -> None:
    """Makes the whole folder visible in one step."""
    for path in draft.rglob("*"):
        if path.is_file():
            fsync_file(path)
    fsync_directory(draft)
    # Onto an empty folder, too.
    os.replace(draft, out)
    fsync_directory(out.absolute().parent)
