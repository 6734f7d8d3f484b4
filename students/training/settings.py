"""The settings of one training: frozen, complete, and written into the student they made."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rankgen.manifests.storage.run_path import RunPath
from rankgen.students.choices import (
    DEFAULT_BACKBONE,
    EVIDENCE_WEIGHTS,
    Evidence,
    Precision,
    Reduction,
    SampleMode,
    Schedule,
)

# Where a student runs, in what pieces, and how often it is saved changes nothing that it learns.
# Of the data and the backbone, the contents count, not the paths; see `training_facts`.
NOT_THE_RECIPE = frozenset(
    {
        "rankings",
        "validation",
        "validation_qrels",
        "out",
        "device",
        "compile",
        "threads",
        "chunk_tokens",
        "step_tokens",
        "checkpoint_every",
    }
)


class TrainSettings(BaseModel):
    """Everything `train_student` needs; defaults are those of arXiv 2405.07920, appendix C.

    Attributes:
        rankings: A folder that `rankgen label` wrote.
        out: The folder of the student.
        backbone: "minilm", a folder, a model id or "ID@REVISION".
        loss: A name in `rankgen.students.losses.LOSSES`, or several: "ranknet:1,lce:0.5".
        reduction: How the terms of a step become one number.
        evidence: Which pairs count in losses over pairs: those that the teacher saw in one window
            (`seen`), also those that follow from them (`implied`), or `all`.
        evidence_weights: Of a seen, an implied and an unseen pair, instead of `evidence`.
        depth: Only the teacher's best so many passages of a list; None takes all.
        sample_size: Passages drawn anew from a list every time it is seen; None takes all.
        sample_mode: `random`, `best` (the best and others at random), or `spread` (the best and one
            of each stratum below it).
        query_tokens: A query is cut after so many tokens.
        passage_tokens: A passage is cut after so many tokens.
        learning_rate: Of AdamW, after the warm-up.
        head_learning_rate: Of the fresh head alone; None takes `learning_rate`.
        weight_decay: Of AdamW.
        adam_beta2: Memory of AdamW's second moment; a short training with a high rate wants less.
        schedule: `constant`, or `linear` decay to zero at the end.
        warmup_steps: Steps over which the learning rate rises from zero; fewer than there are.
        gradient_clip: Largest norm of the gradient; None does not clip.
        queries_per_step: Lists whose gradients make one optimizer step.
        epochs: Passes over the lists; not used when `max_steps` is given.
        max_steps: Optimizer steps.
        max_minutes: Minutes of steps and validations, over all sessions; the one in which they are
            spent is finished, and a last validation follows. It ends earlier when its steps are
            done. Warm-up and decay follow the share of steps or minutes that is spent, whichever is
            larger. How many steps are taken then depends on the machine, so that a repeated or
            resumed training gives another student. None has no limit.
        dropout: For every dropout of the model; None keeps the backbone's own.
        attention_dropout: For that of the attention alone; None keeps what `dropout` says. With 0
            BERT, ELECTRA and RoBERTa are trained on packed pairs on a GPU too.
        frozen_layers: The lowest so many layers, and the embeddings, keep their weights.
        precision: `fp32`, `bf16` (products only; loss and weights stay in 32 bits), or `auto`,
            which is bf16 on a GPU or CPU where that is faster, and stays what a training was begun
            with.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        compile: Compile the model's layers (torch.compile), for long trainings.
        chunk_tokens: Tokens of one forward pass, padding included; None chooses by device.
        step_tokens: Tokens whose activations are held at once; lists beyond it are accumulated.
            None chooses by the device's free memory. Halved when the memory runs out. Gradients
            are the same in any parts; the dropout's noise is drawn part by part.
        threads: CPU threads; None leaves it to torch.
        seed: Of the head, the order of lists, the samples and the dropout.
        validation: A candidates folder to re-rank during training.
        validation_qrels: Its judgements.
        validation_queries: At most so many validation queries (the first by id); None takes all.
        validation_depth: Candidates re-ranked per validation query; None takes all.
        validate_every: Steps between validations; a backbone that has a trained head is validated
            before the first step too.
        patience_steps: Stop after a validation whose nDCG@10 has not risen for so many steps; None
            never stops early.
        checkpoint_every: Steps between checkpoints; with `max_minutes` also ten times in them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rankings: RunPath
    out: Path
    backbone: str = DEFAULT_BACKBONE
    loss: str = "ranknet"
    reduction: Reduction = "per_query_mean"
    evidence: Evidence = "all"
    evidence_weights: tuple[float, float, float] | None = None
    depth: int | None = Field(default=None, ge=2)
    sample_size: int | None = Field(default=None, ge=2)
    sample_mode: SampleMode = "random"
    query_tokens: int = Field(default=32, ge=1)
    passage_tokens: int = Field(default=256, ge=1)
    learning_rate: float = Field(default=1e-5, gt=0)
    head_learning_rate: float | None = Field(default=None, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    adam_beta2: float = Field(default=0.999, gt=0, lt=1)
    schedule: Schedule = "constant"
    warmup_steps: int = Field(default=0, ge=0)
    gradient_clip: float | None = Field(default=None, gt=0)
    queries_per_step: int = Field(default=32, ge=1)
    epochs: float = Field(default=3.0, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    max_minutes: float | None = Field(default=None, gt=0)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    attention_dropout: float | None = Field(default=None, ge=0, lt=1)
    frozen_layers: int = Field(default=0, ge=0)
    precision: Precision = "auto"
    device: str = "auto"
    compile: bool = False
    chunk_tokens: int | None = Field(default=None, ge=1)
    step_tokens: int | None = Field(default=None, ge=1)
    threads: int | None = Field(default=None, ge=1)
    seed: int = Field(default=42, ge=0)
    validation: RunPath | None = None
    validation_qrels: Path | None = None
    validation_queries: int | None = Field(default=None, ge=1)
    validation_depth: int | None = Field(default=None, ge=1)
    validate_every: int = Field(default=50, ge=1)
    patience_steps: int | None = Field(default=100, ge=1)
    checkpoint_every: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _validation_needs_both(self) -> Self:
        if (self.validation is None) != (self.validation_qrels is None):
            raise ValueError("validation needs both --validation and --validation-qrels")
        return self

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
        """Returns the settings that can change the student, as JSON values."""
        return self.model_dump(mode="json", exclude=set(NOT_THE_RECIPE))
