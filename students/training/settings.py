"""The settings of one training: frozen, complete, and written into the student they made."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from rankgen.manifests.long_documents.rule import NAMES as CHUNK_NAMES
from rankgen.manifests.long_documents.settings import LongDocumentSettings
from rankgen.manifests.options import SOURCE_METAVAR, Option, Settings
from rankgen.manifests.storage.run_path import RunPath
from rankgen.students.choices import (
    DEFAULT_BACKBONE,
    EVIDENCE_WEIGHTS,
    NAMED_BACKBONES,
    Evidence,
    Reduction,
    SampleMode,
    TargetKind,
)
from rankgen.students.hardware_settings import HardwareSettings
from rankgen.students.training.adapter_settings import ADAPTER_FIELDS, AdapterSettings
from rankgen.students.training.optimizer_settings import LengthSettings, OptimizerSettings
from rankgen.students.training.validation_settings import ValidationSettings

# Where a student runs, in what pieces, and how often it is saved changes nothing that it learns.
# Of the data and the backbone, the contents count, not the paths; see `training_facts`.
NOT_THE_RECIPE = frozenset(
    {
        "rankings",
        "validation",
        "validation_qrels",
        "validation_rankings",
        "out",
        "device",
        "compile",
        "threads",
        "chunk_tokens",
        "step_tokens",
        "checkpoint_every",
    }
)


def _by_name(given: object) -> object:
    """Returns the id of a backbone that is named by a word."""
    return NAMED_BACKBONES.get(given, given) if isinstance(given, str) else given


class ListSettings(Settings):
    """What a step sees of a list, and how it is counted."""

    panel = "Lists and losses"
    reduction: Annotated[Reduction, Option("How the terms of a step become one number.")] = (
        "per_query_mean"
    )
    targets: Annotated[
        TargetKind,
        Option(
            "What kl and listnet learn: the teacher's scores, its order, or (auto) scores if there "
            "are any; mse and margin-mse need scores, other losses learn the order."
        ),
    ] = "auto"
    evidence: Annotated[
        Evidence,
        Option(
            "Pairs that count in losses over pairs: those that the teacher saw in one window, also "
            "those implied by them, or all."
        ),
    ] = "all"
    evidence_weights: Annotated[
        tuple[float, float, float] | None,
        Option("Weights of a seen, an implied and an unseen pair, instead of --evidence."),
    ] = None
    depth: Annotated[
        int | None,
        Field(ge=2),
        Option("Train on the teacher's top N passages of each list.", "all"),
    ] = None
    sample_size: Annotated[
        int | None, Field(ge=2), Option("Passages drawn from a list each time it is seen.", "all")
    ] = None
    sample_mode: Annotated[
        SampleMode,
        Option(
            "Which passages are drawn: random, spread (the best and one of each stratum below it), "
            "or best (the best and others at random)."
        ),
    ] = "random"


class ModelSettings(Settings):
    """What of the model is trained, and what it reads."""

    panel = "Model"
    query_tokens: Annotated[PositiveInt, Option("Tokens after which a query is cut.")] = 32
    passage_tokens: Annotated[PositiveInt, Option("Tokens after which a passage is cut.")] = 256
    dropout: Annotated[
        float | None,
        Field(ge=0, lt=1),
        Option("Rate of every dropout of the model.", "the backbone's"),
    ] = None
    attention_dropout: Annotated[
        float | None,
        Field(ge=0, lt=1),
        Option(
            "Rate of the attention's dropout alone; with 0 BERT, ELECTRA and RoBERTa are trained "
            "without padding on a GPU too.",
            "--dropout",
        ),
    ] = None
    frozen_layers: Annotated[
        NonNegativeInt,
        Option("Lowest layers that keep their weights, and the embeddings with them."),
    ] = 0


class TrainingHardwareSettings(HardwareSettings):
    """What only a training uses of the device."""

    panel = "Hardware"
    compile: Annotated[bool, Option("Compile the model's layers first (a minute or two).")] = False
    step_tokens: Annotated[
        PositiveInt | None,
        Option(
            "Tokens whose activations are held at once; longer steps are accumulated, with the "
            "same gradients.",
            "by free memory",
        ),
    ] = None


class StudentSettings(
    LengthSettings,
    OptimizerSettings,
    ListSettings,
    ModelSettings,
    AdapterSettings,
    LongDocumentSettings,
    ValidationSettings,
    TrainingHardwareSettings,
):
    """How a student is trained, whatever on; defaults are those of arXiv 2405.07920, appendix C."""

    backbone: Annotated[
        str,
        BeforeValidator(_by_name),
        Option(
            "Encoder or re-ranker to start from: a Hugging Face id, ID@REVISION, a folder, minilm "
            "(ships with a package), electra, modernbert (answerdotai/ModernBERT-base) or ettin "
            "(jhu-clsp/ettin-encoder-68m). vLLM serves students of BERT, RoBERTa, ModernBERT and "
            "Ettin, not of ELECTRA.",
            metavar="ID|FOLDER",
        ),
    ] = DEFAULT_BACKBONE
    loss: Annotated[
        str,
        Option(
            "ranknet, adr-mse, lce, softmax-ce, listnet, listmle, p-listmle, lambda, margin-mse, "
            "mse, kl, or several with weights: ranknet:1,lce:0.5.",
            metavar="LOSS",
        ),
    ] = "ranknet"
    seed: Annotated[
        NonNegativeInt, Option("Random seed for the new head, the list order and dropout.")
    ] = 42
    checkpoint_every: Annotated[
        PositiveInt,
        Option("Steps between checkpoints; with --max-minutes also ten times in them."),
    ] = 100

    @model_validator(mode="after")
    def _evidence_weighs_something(self) -> Self:
        weights = self.pair_weights
        if not all(0 <= weight < math.inf for weight in weights) or not any(weights):
            raise ValueError("evidence_weights are three numbers from 0, not all of them 0")
        return self

    @property
    def pair_weights(self) -> tuple[float, float, float]:
        """Weight of a seen, an implied and an unseen pair."""
        return self.evidence_weights or EVIDENCE_WEIGHTS[self.evidence]

    def recipe(self) -> dict[str, object]:
        """Returns the settings that can change the student, as JSON values.

        Earlier versions learned the order alone, and had no word for it.
        """
        exclude = NOT_THE_RECIPE | ADAPTER_FIELDS | {*CHUNK_NAMES}
        exclude |= set() if self.targets == "scores" else {"targets"}
        held = self.model_dump(mode="json", exclude=set(exclude))
        # Nor had they adapters, or read documents in chunks.
        return held | self.adapter_recipe() | self.chunk_values()


class TrainSettings(StudentSettings):
    """Everything `train_student` needs."""

    rankings: Annotated[
        RunPath, Option("Folder of a label, negatives or subsample run.", metavar=SOURCE_METAVAR)
    ]
    out: Annotated[
        Path, Option("Folder of the student; repeat the command to resume.", metavar="FOLDER")
    ]
