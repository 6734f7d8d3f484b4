"""One cell: its student trained in this process, and its nDCG@10 of every test query."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import torch

from loss_grid.cells import SAMPLE_MODES, Cell, System
from loss_grid.peer import Stage as Training
from loss_grid.peer import train_theirs
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.trec import read_qrels
from rankgen.students.evaluation.measures import per_query
from rankgen.students.model.loading import load_backbone
from rankgen.students.reranking.candidates import FirstStage
from rankgen.students.reranking.reranker import StudentReranker
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.train import train_student

MEASURE = "nDCG@10"
# The lower half of MiniLM, so that a training takes half a minute of one thread.
LAYERS = (0, 1, 2)
CUTS = {"query_tokens": 32, "passage_tokens": 48}
RECIPE: dict[str, object] = {
    **CUTS,
    "frozen_layers": 1,
    "learning_rate": 3e-4,
    "schedule": "linear",
    "warmup_steps": 20,
    "adam_beta2": 0.98,
    "gradient_clip": 1.0,
    "dropout": 0.0,
    "queries_per_step": 4,
    "sample_size": 6,
    "precision": "bf16",
    "device": "cpu",
    "threads": 1,
    "checkpoint_every": 100_000,
}


def start_of(state: Path, seed: int) -> Path:
    """Returns the backbone with a fresh head, the same for every cell of a seed."""
    folder = state / "starts" / str(seed)
    if not folder.exists():
        encoder = load_backbone("minilm", seed=seed, dropout=0.0, **CUTS)
        body = encoder.model.get_submodule("bert.encoder")
        layers = body.get_submodule("layer")
        kept = [layers.get_submodule(str(number)) for number in LAYERS]
        body.layer = torch.nn.ModuleList(kept)
        encoder.model.config.num_hidden_layers = len(LAYERS)
        draft = folder.with_name(f"draft-{seed}")
        encoder.save(draft)
        draft.rename(folder)
    return folder


def train_ours(training: Training, seed: int) -> None:
    """Trains by rankgen, in this process."""
    train_student(
        TrainSettings.model_validate(
            {
                **training.options,
                "rankings": training.rankings,
                "backbone": str(training.start),
                "out": training.out,
                "seed": seed,
            }
        )
    )


TRAINERS: dict[System, Callable[[Training, int], None]] = {
    "rankgen": train_ours,
    "sentence-transformers": train_theirs,
}


def train_cell(cell: Cell, seed: int, steps: int, state: Path) -> tuple[Path, list[float]]:
    """Trains a cell's stages and returns the student and each stage's seconds of processor time.

    A first stage is trained once for every cell that begins with it.
    """
    start, seconds, done = start_of(state, seed), list[float](), list[str]()
    for stage, own in zip(cell.stages, cell.steps(steps), strict=True):
        done.append(f"{stage.source}.{stage.loss}.{own}".replace(":", "="))
        out = state / "students" / f"{cell.system}.{'+'.join(done)}.{seed}"
        clock = out.with_name(f"{out.name}.seconds")
        if not clock.exists():
            shutil.rmtree(out, ignore_errors=True)
            options = {
                **RECIPE,
                "loss": stage.loss,
                "sample_mode": SAMPLE_MODES[stage.source],
                "max_steps": own,
            }
            rankings = state / "sources" / stage.source / "rankings"
            began = time.process_time()
            TRAINERS[cell.system](Training(start, rankings, out, options), seed)
            clock.write_text(str(time.process_time() - began))
        seconds.append(float(clock.read_text()))
        start = out
    return start, seconds


def measured(student: Path | None, data: Path, state: Path) -> dict[str, float]:
    """Returns nDCG@10 of each test query, of the first stage where there is no student."""
    lists = FirstStage(RunDirectory(state / "sources" / "test"))
    if student is None:
        scores = {
            row.query_id: dict(zip(row.doc_ids, row.scores, strict=True))
            for row in lists.lists.values()
        }
    else:
        ranker = StudentReranker.load(str(student), "bf16", device="cpu", threads=1)
        scores = ranker.scores(lists.texts(lists.lists.values(), None))
    qrels = read_qrels(data / "msmarco-dl21" / "qrels" / "full.trec")
    return per_query(qrels, scores, [MEASURE])[MEASURE]


def finish_cell(cell: Cell, seed: int, steps: int, data: Path, state: Path) -> dict[str, object]:
    """Returns the result of a cell, from its file if it has one."""
    file = state / "cells" / f"{cell.key}.{seed}.json"
    if file.exists():
        found: dict[str, object] = json.loads(file.read_text())
        return found
    student, seconds = train_cell(cell, seed, steps, state)
    result = {
        "family": cell.family,
        "name": cell.name,
        "system": cell.system,
        "seed": seed,
        "steps": cell.steps(steps),
        "cpu_seconds": [round(value, 1) for value in seconds],
        MEASURE: measured(student, data, state),
    }
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps(result))
    os.replace(draft, file)
    shutil.rmtree(student)
    student.with_name(f"{student.name}.seconds").unlink()
    return result
