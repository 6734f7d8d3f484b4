"""The adapters of a student, beside it: what peft loads, and on which model they were trained."""

from __future__ import annotations

import json
from pathlib import Path

from rankgen.manifests.models.model_source import RECORD_FILE, split_revision
from rankgen.students.model.adapters import write_adapter
from rankgen.students.model.bundled import BUNDLED_BACKBONE, backbone_path
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.training.settings import TrainSettings

ADAPTER_FOLDER = "adapter"


def save_adapter(
    encoder: CrossEncoder, settings: TrainSettings, base_identity: str, folder: Path
) -> None:
    """Writes a folder that peft loads, and that rankgen takes for a student.

    Args:
        encoder: The student, with its adapters not merged.
        settings: Its training's.
        base_identity: The identity of its backbone.
        folder: The folder, which does not exist.
    """
    folder.mkdir()
    base, revision = split_revision(backbone_path(settings.backbone))
    is_folder = Path(base).is_dir()
    write_adapter(encoder, folder, str(Path(base).absolute()) if is_folder else base, revision)
    record = {
        "kind": "adapter",
        "has_bundled_base": settings.backbone == BUNDLED_BACKBONE,
        "base_identity": base_identity,
        # Where the cuts are looked for in any student's record.
        "settings": encoder.entry,
    }
    (folder / RECORD_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
