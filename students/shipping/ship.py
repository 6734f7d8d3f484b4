"""Ships a student: exports, compares, calibrates, and publishes a whole folder or nothing."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.notices import warn
from rankgen.manifests.storage.atomic import make_folder, refuse_current_folder
from rankgen.students.evaluation.significance import smallest_p
from rankgen.students.reranking.candidates import Scores
from rankgen.students.shipping.calibration import Calibration, calibrate
from rankgen.students.shipping.draft import describe, publish, save_student
from rankgen.students.shipping.graph import graph_bytes, write_graph
from rankgen.students.shipping.quality import Quality, compare
from rankgen.students.shipping.servers import servers_of
from rankgen.students.shipping.settings import ShipSettings
from rankgen.students.shipping.shipped import Shipped
from rankgen.students.shipping.shipped_before import shipped_before
from rankgen.students.shipping.shipped_folder import is_shipped
from rankgen.students.shipping.truncation import truncation_of
from rankgen.students.shipping.validation_set import ValidationSet
from rankgen.students.shipping.work import Work, prepared


def ship(settings: ShipSettings) -> Shipped:
    """Writes a folder that servers load, with its card; the same command again finds it finished.

    Raises:
        UsageError: There is no such student, it cannot be written in this format, `out` holds
            something else, or int8 is asked for without enough to compare on.
        EnvironmentProblem: A package is missing, or this CPU would compute wrong scores.
        IntegrityProblem: The shipped model ranks significantly worse, or the exported one scores
            otherwise than the student.
    """
    if (found := shipped_before(settings)) is not None:
        return found
    _check(settings)
    work = prepared(settings)
    _refuse_blind_gate(work)
    if settings.dry_run:
        return work.planned()
    make_folder(settings.out.absolute().parent)
    draft = settings.out.with_name(f".{settings.out.name}.{uuid.uuid4().hex}.draft")
    try:
        draft.mkdir()
        save_student(work.encoder, draft)
        shipped = _measured(work, draft)
        describe(work, shipped, draft)
        publish(draft, settings.out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return shipped


def _check(settings: ShipSettings) -> None:
    out = settings.out
    refuse_current_folder(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"{out} exists, is not empty and is not what this command ships",
            "name a new folder: --out FOLDER",
        )
    if is_shipped(settings.student):
        raise UsageError(
            f"{settings.student} is shipped already", "name the student that it was made from"
        )
    if settings.format == "onnx-int8" and not settings.has_validation and not settings.accept_loss:
        raise UsageError(
            f"{settings.format} changes the scores, and there is nothing to compare it on",
            "add --candidates and --qrels, or --rankings, or ship it unseen with --accept-loss",
        )


def _measured(work: Work, draft: Path) -> Shipped:
    """Writes the graph and says what it is worth."""
    settings = work.settings
    shipped, apart = write_graph(work, draft)
    found = work.planned().model_copy(
        update={
            "graph_bytes": graph_bytes(draft, settings.format),
            "export_difference": apart,
            "servers": servers_of(work.encoder.model.config.architectures or []),
        }
    )
    if work.held is None:
        return found
    quality, scores = compare(work.student, shipped, work.held)
    _refuse_loss(quality, settings)
    return found.model_copy(
        update={
            "quality": quality,
            "truncation": truncation_of(work.encoder, work.held.texts),
            "calibration": _calibrated(work.held, scores, settings.relevant_from),
        }
    )


def _calibrated(held: ValidationSet, scores: Scores, relevant_from: int) -> Calibration | None:
    """Returns what turns scores into probabilities; None where nothing can be fitted."""
    if not held.is_judged:
        return None
    found = calibrate(scores, held.qrels, relevant_from)
    if found is None:
        warn(
            "no calibration was fitted: the candidates of two queries or more have to hold "
            f"passages of grade {relevant_from} or more, and others"
        )
    elif found.platt.slope <= 0:
        warn(
            "on these judgements passages with a higher score are not more often relevant; does "
            "the student's score mean relevance?"
        )
    return found


def _refuse_blind_gate(work: Work) -> None:
    """Refuses rounding on so few queries that no loss on them is significant."""
    settings, held = work.settings, work.held
    if settings.format != "onnx-int8" or settings.accept_loss or held is None:
        return
    queries, least = len(held.qrels), smallest_p(len(held.qrels))
    if least >= settings.significance:
        raise UsageError(
            f"{settings.format} changes the scores, and {queries:,} "
            f"quer{'y' if queries == 1 else 'ies'} cannot show a loss: even if all get worse, p is "
            f"{least:.2g}, not below {settings.significance:g}",
            "compare on more queries, raise --significance, or ship it unseen with --accept-loss",
        )


def _refuse_loss(quality: Quality, settings: ShipSettings) -> None:
    if settings.accept_loss or not quality.is_loss(settings.significance):
        return
    raise IntegrityProblem(
        f"{settings.format} ranks worse than the student: nDCG@10 {quality.shipped:.4f} instead of "
        f"{quality.student:.4f} on {quality.source} (p {quality.p:.2g})",
        "use --format onnx, or ship it all the same with --accept-loss",
    )
