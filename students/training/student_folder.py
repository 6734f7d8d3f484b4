"""The finished student: a plain Hugging Face folder, published as a whole with its card."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.model_source import RECORD_FILE
from rankgen.manifests.run.provenance import software
from rankgen.manifests.storage.atomic import fsync_directory, fsync_file
from rankgen.manifests.storage.digest import sha256_of_file
from rankgen.students.model.adapters import merged
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.training.adapter_record import ADAPTER_FOLDER, save_adapter
from rankgen.students.training.learned_queries import query_digests, write_learned
from rankgen.students.training.public_settings import public_settings
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.student_card import student_card
from rankgen.students.training.summary import TrainSummary

# Moved last, since no loader opens a folder without it: its presence means the student is whole.
LAST_FILE = "config.json"
# What the record of a mean of students is called.
SOUP_KIND = "soup"
# What a training would write over, and what tells of other work.
_MODEL_FILES = (LAST_FILE, "model.safetensors", "pytorch_model.bin", RECORD_FILE)
_OF_OTHERS = ("manifest.json", "trials.tsv", ".rankgen/plan.json")
_NEW = "name a new folder: --out FOLDER"


def finished_summary(out: Path) -> TrainSummary | None:
    """Returns the summary of the finished student in `out`, or None if there is none.

    Raises:
        UsageError: The student was not trained but averaged, or its record is damaged.
    """
    path = out / RECORD_FILE
    if not (out / LAST_FILE).is_file() or not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.get("kind") == SOUP_KIND:
            raise UsageError(f"{out} is a soup of students, not a training", _NEW)
        figures = dict(record["figures"])
    except (ValueError, AttributeError, KeyError, TypeError):
        raise UsageError(f"{path} is damaged", f"restore it from a copy; or {_NEW}") from None
    # Students of earlier versions record only this about their end.
    if figures.pop("is_stopped_early", False):
        figures["ended_by"] = "patience"
    figures.setdefault("ended_by", "max steps")
    return TrainSummary(out=out, was_finished=True, **figures)


def refuse_foreign(out: Path, is_known: bool) -> None:
    """Refuses a folder with something else, such as the backbone's own or a run's.

    Args:
        out: The folder of a training without a checkpoint.
        is_known: Whether a training began there, which may have stopped while it was published.

    Raises:
        UsageError: A file of another model, or of a run, is in it.
    """
    names = _OF_OTHERS if is_known else (*_OF_OTHERS, *_MODEL_FILES)
    found = next((name for name in names if (out / name).exists()), None)
    if found is not None:
        raise UsageError(f"{out} holds something else than a student in training: {found}", _NEW)


def asked_by(encoder: CrossEncoder) -> str | None:
    """Returns what a student is that is asked by a prompt of rankgen's; None for any other."""
    return encoder.kind if "prompt" in encoder.asked else None


def publish_student(
    encoder: CrossEncoder,
    settings: TrainSettings,
    facts: Mapping[str, object],
    summary: TrainSummary,
    queries: Mapping[str, str],
) -> None:
    """Writes the student to a draft folder and moves it file by file, config.json last.

    Args:
        encoder: The student.
        settings: Its training's.
        facts: What makes two trainings the same.
        summary: How the training went.
        queries: The texts that it learned from, by id.
    """
    draft = settings.out / ".rankgen" / "artefact"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    learned = query_digests(queries)
    write_learned(draft, learned)
    if encoder.adapted is not None:
        save_adapter(encoder, settings, str(facts["backbone"]), draft / ADAPTER_FOLDER)
        # It is a student by itself.
        write_learned(draft / ADAPTER_FOLDER, learned)
    encoder = merged(encoder)
    encoder.save(draft)
    figures = summary.model_dump(mode="json", exclude={"out", "was_finished"})
    record = {
        "kind": "student",
        "settings": public_settings(settings.model_dump(mode="json")),
        "facts": facts,
        "figures": figures,
        "software": software(),
        "weights_sha256": {
            path.relative_to(draft).as_posix(): sha256_of_file(path)
            for path in sorted(draft.rglob("*.safetensors"))
        },
    }
    (draft / RECORD_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (draft / "README.md").write_text(
        student_card(settings, summary, encoder.relevant, asked_by(encoder)), encoding="utf-8"
    )
    names = sorted(p.relative_to(draft).as_posix() for p in draft.rglob("*") if p.is_file())
    for name in names:
        fsync_file(draft / name)
    for name in sorted(names, key=lambda name: name == LAST_FILE):
        (settings.out / name).parent.mkdir(exist_ok=True)
        os.replace(draft / name, settings.out / name)
        fsync_directory((settings.out / name).parent)
    shutil.rmtree(draft)
