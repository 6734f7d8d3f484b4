"""Resolves what a teacher's model, tokenizer and adapter are: folder, Hub id or server."""

from __future__ import annotations

from pathlib import Path

from rankgen.generator.prompts.tokenizer import BUNDLED as PACKAGED_TOKENIZER
from rankgen.generator.teachers.base import plain_teacher
from rankgen.generator.teachers.embedding import BUNDLED as PACKAGED_EMBEDDER
from rankgen.generator.teachers.embedding import embedder_folder
from rankgen.generator.teachers.presets import split_teacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.models.model_source import ModelSource


def model_source(teacher: LabelSettings) -> ModelSource | None:
    """Returns the source of a teacher's model; None for teachers without one.

    Args:
        teacher: Resolved settings, with the revision of a Hub model (see `revision`).
    """
    if teacher.model is None:
        return None
    if teacher.preset.kind == "embedding":
        # The name of the packaged weights does not tell the package's version.
        folder = str(embedder_folder(teacher.model))
        return ModelSource("folder", folder)
    if teacher.engine == "openai":
        return ModelSource("served", teacher.model)
    if teacher.revision is None and Path(teacher.model).is_dir():
        return ModelSource("folder", teacher.model)
    return ModelSource("hub", teacher.model)


def tokenizer_source(teacher: LabelSettings) -> ModelSource | None:
    """Returns the source of a teacher's tokenizer; None for teachers without one."""
    name = teacher.tokenizer
    if name is None:
        return None
    if name == PACKAGED_TOKENIZER:
        return ModelSource("packaged", name)
    if teacher.engine == "vllm" and name == teacher.model:
        return model_source(teacher)
    return ModelSource("folder" if Path(name).is_dir() else "hub", name)


def adapter_source(teacher: LabelSettings) -> ModelSource | None:
    """Returns the source of a teacher's LoRA adapter; None without one."""
    return None if teacher.lora is None else ModelSource("folder", teacher.lora)


def anchored(teacher: LabelSettings) -> LabelSettings:
    """Returns the settings with absolute paths, for another process."""
    changes: dict[str, str] = {}
    preset, argument = split_teacher(teacher.teacher)
    if preset.kind == "plain":
        changes["teacher"] = f"{preset.name}:{plain_teacher(preset).anchored(argument or '')}"
    model, tokenizer = model_source(teacher), tokenizer_source(teacher)
    if model is not None and teacher.model != PACKAGED_EMBEDDER:
        changes["model"] = model.anchored()
    if tokenizer is not None:
        changes["tokenizer"] = tokenizer.anchored()
    adapter = adapter_source(teacher)
    if adapter is not None:
        changes["lora"] = adapter.anchored()
    return teacher.model_copy(update=changes)
