"""Students of real LLM rankings beside sentence-transformers: same lists, same budget, seeds.

    RANKGEN_TEST_DATA=… python benchmarks/student_effectiveness.py [SEEDS [SCALE]]

MiniLM learns SciFact's training labels by LCE, then the orders of LLMs by RankNet (see
real_rankings.py), each in a fixed number of steps without any selection, and re-ranks DL21's BM25
top 100. sentence-transformers starts from the same weights, with the same fresh head, and is shown
the very passages of every step, cut to as many tokens, under the same optimizer and schedule; what
differs is its code: losses, averages, tokenisation, forward pass. SCALE multiplies the steps.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from real_rankings import label_lists, llm_rankings, ndcg_of_students, rankgen
from results_file import write_results

from rankgen.manifests.models.model_source import RECORD_FILE
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.model.loading import load_backbone
from rankgen.students.training.batches import StepLists
from rankgen.students.training.lists import read_training_lists
from rankgen.students.training.optimizer import LAYER_NUMBER
from rankgen.students.training.schedule import rate_factor
from rankgen.students.training.settings import TrainSettings

QUERY_TOKENS, PASSAGE_TOKENS = 32, 64
RECIPE: dict[str, object] = {
    "query_tokens": QUERY_TOKENS,
    "passage_tokens": PASSAGE_TOKENS,
    "frozen_layers": 2,
    "learning_rate": 3e-4,
    "schedule": "linear",
    "warmup_steps": 20,
    "adam_beta2": 0.98,
    "gradient_clip": 1.0,
    "dropout": 0.0,
    "queries_per_step": 4,
    "precision": "fp32",
    "checkpoint_every": 1_000,
}
STAGES: tuple[dict[str, object], ...] = (
    {"loss": "lce", "sample_size": 6, "sample_mode": "best", "max_steps": 40},
    {"loss": "ranknet", "sample_size": 6, "sample_mode": "spread", "max_steps": 260},
)


class Stage(NamedTuple):
    """One training: where it starts, what it learns from, where the student goes."""

    start: Path
    rankings: Path
    out: Path
    options: dict[str, object]


def write_start(folder: Path, seed: int) -> None:
    """Writes MiniLM with a fresh head, the same for both systems."""
    cuts = {"query_tokens": QUERY_TOKENS, "passage_tokens": PASSAGE_TOKENS}
    load_backbone("minilm", seed=seed, dropout=0.0, **cuts).save(folder)


def train_ours(stage: Stage, seed: int) -> None:
    """Trains by `rankgen train-student`."""
    options: list[str | Path] = ["--rankings", stage.rankings, "--backbone", stage.start]
    for name, value in stage.options.items():
        options.append(f"--{name.replace('_', '-')}={value}")
    rankgen("train-student", *options, "--seed", str(seed), "--out", stage.out)


def train_theirs(stage: Stage, seed: int) -> None:
    """Trains with sentence-transformers' model, tokenizer and losses on the same lists."""
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder.losses import ListNetLoss, RankNetLoss

    settings = TrainSettings.model_validate(
        {**stage.options, "rankings": stage.rankings, "out": stage.out, "seed": seed}
    )
    steps = settings.max_steps or 0
    longest = QUERY_TOKENS + PASSAGE_TOKENS + 3
    model = CrossEncoder(str(stage.start), num_labels=1, max_length=longest, device="cpu")
    is_lce = settings.loss == "lce"
    # The softmax of labels 20 and 0, ListNet's targets, is 1 and 0: LCE.
    loss = ListNetLoss(model) if is_lce else RankNetLoss(model)
    for name, parameter in model.named_parameters():
        layer = LAYER_NUMBER.search(name)
        is_low = layer is not None and int(layer[1]) < settings.frozen_layers
        parameter.requires_grad_(not is_low and "embeddings" not in name)
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        learned,
        betas=(0.9, settings.adam_beta2),
        weight_decay=settings.weight_decay,
        fused=True,
    )
    model.train()
    for step, lists in enumerate(drawn_texts(stage, settings, steps)):
        labels = [torch.arange(len(passages), 0, -1, dtype=torch.float32) for _, passages in lists]
        if is_lce:
            labels = [20.0 * (own == len(own)) for own in labels]
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate_factor(step, steps, settings)
        optimizer.zero_grad(set_to_none=True)
        value = loss([[query for query, _ in lists], [own for _, own in lists]], labels)
        value.backward()
        torch.nn.utils.clip_grad_norm_(learned, settings.gradient_clip or 1.0)
        optimizer.step()
    model.save_pretrained(str(stage.out))
    # So that `rankgen evaluate` cuts the texts as the training did.
    cuts = {"query_tokens": QUERY_TOKENS, "passage_tokens": PASSAGE_TOKENS}
    (stage.out / RECORD_FILE).write_text(json.dumps({"settings": cuts}))


def drawn_texts(
    stage: Stage, settings: TrainSettings, steps: int
) -> Iterator[list[tuple[str, list[str]]]]:
    """Yields the query and the passages, best first, of every list of every step of rankgen."""
    given = read_training_lists(RunDirectory(stage.rankings), None)
    by_id = {ranked.query_id: ranked.doc_ids for ranked in given.lists}
    encoder = load_backbone(
        str(stage.start),
        seed=settings.seed,
        query_tokens=settings.query_tokens,
        passage_tokens=settings.passage_tokens,
        dropout=0.0,
    )
    draws = StepLists(
        given.lists,
        encoder.pair_source(given.queries, given.documents),
        encoder.template,
        queries_per_step=settings.queries_per_step,
        sample_size=settings.sample_size,
        sample_mode=settings.sample_mode,
        seed=settings.seed,
    )

    def cut(text: str, tokens: int) -> str:
        ends = encoder.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        offsets = ends["offset_mapping"][:tokens]
        return text[: offsets[-1][1]] if offsets else text

    for step in range(steps):
        yield [
            (
                cut(given.queries[drawn.query_id], settings.query_tokens),
                [
                    cut(given.documents[by_id[drawn.query_id][place]], settings.passage_tokens)
                    for place in drawn.positions
                ],
            )
            for drawn in draws.of_step(step)
        ]


SYSTEMS: dict[str, Callable[[Stage, int], None]] = {
    "rankgen": train_ours,
    "sentence-transformers": train_theirs,
}


def train(name: str, seed: int, sources: tuple[Path, ...], scratch: Path, scale: float) -> float:
    """Trains one student through both stages and returns the seconds."""
    start = scratch / f"start-{seed}"
    if not start.exists():
        write_start(start, seed)
    began = time.perf_counter()
    for number, (rankings, options) in enumerate(zip(sources, STAGES, strict=True), start=1):
        steps = max(1, round(int(str(options["max_steps"])) * scale))
        out = scratch / f"{name}-{seed}-{number}"
        SYSTEMS[name](Stage(start, rankings, out, {**RECIPE, **options, "max_steps": steps}), seed)
        start = out
    return time.perf_counter() - began


def main() -> None:
    """Trains, measures, prints and writes the result."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    scale = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    data = Path(os.environ["RANKGEN_TEST_DATA"])
    figures: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    seconds: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    first_stage = 0.0
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        sources = (label_lists(data, scratch), llm_rankings(data, scratch))
        for seed in range(seeds):
            for name in SYSTEMS:
                seconds[name].append(train(name, seed, sources, scratch, scale))
            students = [scratch / f"{name}-{seed}-{len(STAGES)}" for name in SYSTEMS]
            found = ndcg_of_students(data, students, scratch)
            first_stage = found["BM25"]
            for name, student in zip(SYSTEMS, students, strict=True):
                figures[name].append(found[student.name])
            print(json.dumps({"seed": seed, **found}), flush=True)
    result = {
        "what": "MiniLM students of SciFact's labels and LLM orders: nDCG@10 on DL21",
        "seeds": seeds,
        "stages": [{**RECIPE, **options} for options in STAGES],
        "scale_of_steps": scale,
        "BM25": first_stage,
        "nDCG@10": figures,
        "mean": {name: round(statistics.mean(values), 4) for name, values in figures.items()},
        "seconds": {n: [round(value, 1) for value in values] for n, values in seconds.items()},
    }
    print(write_results("student_effectiveness", result))


if __name__ == "__main__":
    main()
