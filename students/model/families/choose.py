"""Chooses how a checkpoint is loaded, as a student that scores or as a backbone that is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.loading_report import load_part, refuse_other_code
from rankgen.manifests.models.two_outputs import relevant_output
from rankgen.students.model.families.answers import (
    answers_in_chat,
    asked_by_prompt,
    is_trained_in_chat,
    load_in_chat,
    load_prompted,
)
from rankgen.students.model.families.classifier import (
    NOT_A_STUDENT,
    is_classifier,
    load_bare,
    load_classifier,
)
from rankgen.students.model.families.layout import Layout
from rankgen.students.model.families.lightning_ir import (
    body_config,
    is_lightning_ir,
    load_lightning_ir,
)
from rankgen.students.model.families.loaded import Loaded
from rankgen.students.model.families.modular import is_modular, load_modular

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def load_student(layout: Layout) -> Loaded:
    """Loads any re-ranker that scores pairs.

    Raises:
        UsageError: It is not a re-ranker, or cannot be loaded as one.
    """
    if is_lightning_ir(layout):
        return load_lightning_ir(layout, body_config(layout))
    config = config_of(layout)
    refuse_other_code(layout.source, layout.architecture)
    prompted = asked_by_prompt(layout)
    if prompted is not None:
        return load_prompted(layout, prompted, config)
    if is_modular(layout):
        return load_modular(layout, config)
    if is_classifier(layout):
        return load_classifier(layout, config)
    if answers_in_chat(layout):
        return load_in_chat(layout, config)
    raise UsageError(
        f"{layout.source} is not a cross-encoder: it has no head that returns one score per pair",
        NOT_A_STUDENT,
    )


def load_for_training(
    layout: Layout, config: PretrainedConfig, outputs: int | None = None
) -> Loaded:
    """Loads a re-ranker with its head, or any encoder with a new one.

    Args:
        layout: The checkpoint.
        config: What `config_of` returned, with the dropout of the training.
        outputs: Outputs of a head that takes the checkpoint's place; None without one.

    Raises:
        UsageError: It is a re-ranker that cannot be trained here, or cannot be loaded.
    """
    if is_lightning_ir(layout):
        return load_lightning_ir(layout, config)
    refuse_other_code(layout.source, layout.architecture)
    prompted = asked_by_prompt(layout)
    if prompted is not None:
        return load_prompted(layout, prompted, config)
    if is_modular(layout):
        return load_modular(layout, config)
    if is_trained_in_chat(layout):
        return load_in_chat(layout, config)
    keeps_head = outputs in (None, config.num_labels)
    if keeps_head and is_classifier(layout) and _is_known_head(layout, config):
        return load_classifier(layout, config)
    return load_bare(layout, config, outputs or 1)


def _is_known_head(layout: Layout, config: PretrainedConfig) -> bool:
    if config.num_labels != 2:
        return bool(config.num_labels == 1)
    try:
        relevant_output(layout.source, config)
    # A head for something else, such as entailment, is replaced by a new one.
    except UsageError:
        return False
    return True


def config_of(layout: Layout) -> PretrainedConfig:
    """Returns the configuration of the model that transformers loads.

    Raises:
        UsageError: It is damaged or of an unknown kind.
    """
    if is_lightning_ir(layout):
        return body_config(layout)
    config: PretrainedConfig = load_part("AutoConfig", layout.source)
    return config
