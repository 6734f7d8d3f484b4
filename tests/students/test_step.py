"""One step of a training: gradients accumulate exactly, and evidence weighs the pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from old_shards import rewrite_windows_as_before
from toy_training import settings_of, weights

from rankgen.manifests.errors import UsageError
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import TABLES
from rankgen.students.losses import parse_loss
from rankgen.students.model.hardware import Hardware, choose_hardware
from rankgen.students.model.loading import load_backbone
from rankgen.students.training.batches import StepLists
from rankgen.students.training.evidence import PairEvidence, Window
from rankgen.students.training.lists import RankedList, TrainingLists, read_training_lists
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.step import Trainer
from rankgen.students.training.train import train_student


def one_step(
    settings: TrainSettings,
    lists: TrainingLists,
    hardware: Hardware,
    queries: int,
    evidence: PairEvidence | None,
) -> tuple[torch.Tensor, float]:
    """Returns the gradient of all weights, end to end, and the loss of a training's first step."""
    encoder = load_backbone(
        settings.backbone, seed=3, query_tokens=8, passage_tokens=16, dropout=settings.dropout
    )
    draws = StepLists(
        lists.lists,
        encoder.pair_source(lists.queries, lists.documents),
        encoder.template,
        queries_per_step=queries,
        sample_size=None,
        sample_mode="random",
        seed=3,
    )
    trainer = Trainer(encoder, parse_loss(settings.loss), settings, hardware, 1, evidence)
    loss = trainer.run(0, draws.of_step(0)).loss
    own = [p.grad.flatten() for p in encoder.model.parameters() if p.grad is not None]
    return torch.cat(own), loss


@pytest.mark.parametrize("reduction", ["per_query_mean", "batch_pairs", "sum"])
@pytest.mark.parametrize("loss", ["ranknet:1,lce:0.5", "adr-mse", "lambda"])
@pytest.mark.parametrize("is_weighed", [False, True])
def test_accumulation_gives_the_gradient_of_the_whole_step(
    recipe: dict[str, object], loss: str, reduction: str, is_weighed: bool
) -> None:
    settings = settings_of(recipe, loss=loss, reduction=reduction, dropout=0.0)
    lists = read_training_lists(RunDirectory(settings.rankings), None)
    ragged = [one._replace(doc_ids=one.doc_ids[: 2 + i % 4]) for i, one in enumerate(lists.lists)]
    gradients = []
    # Below the tokens of a list its scores are cached, in one chunk or several.
    for step_tokens, chunk_tokens in ((1, 10**9), (1, 30), (60, 10**9), (10**9, 10**9)):
        hardware = choose_hardware(
            "cpu", "fp32", step_tokens=step_tokens, chunk_tokens=chunk_tokens
        )
        evidence = halves_of(ragged) if is_weighed else None
        texts = replace(lists, lists=tuple(ragged))
        gradients.append(one_step(settings, texts, hardware, 7, evidence)[0])
    assert gradients[0].norm() > 1e-4
    for other in gradients[1:]:
        assert (other - gradients[0]).norm() < 1e-4 * gradients[0].norm()


def test_a_list_that_does_not_fit_sees_the_same_dropout(recipe: dict[str, object]) -> None:
    settings = settings_of(recipe, dropout=0.3)
    lists = read_training_lists(RunDirectory(settings.rankings), None)
    gradients, losses = [], []
    for step_tokens in (1, 10**9):
        hardware = choose_hardware("cpu", "fp32", step_tokens=step_tokens, chunk_tokens=30)
        gradient, loss = one_step(settings, lists, hardware, 1, None)
        losses.append(loss)
        gradients.append(gradient)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert (gradients[0] - gradients[1]).norm() < 1e-5 * gradients[1].norm()


def halves_of(lists: Sequence[RankedList]) -> PairEvidence:
    """Evidence of a teacher that saw the upper half of a list, and the lower, but never both."""
    windows, sizes = {}, {}
    for ranked in lists:
        size = sizes[ranked.query_id] = len(ranked.doc_ids)
        middle = (size + 1) // 2
        windows[ranked.query_id] = [
            Window(start, end, np.arange(end - start, dtype=np.int16), end - start)
            for start, end in ((middle, size), (0, middle))
        ]
    return PairEvidence(windows, sizes, (1.0, 0.5, 0.25))


def test_evidence_weighs_the_pairs_of_a_training(recipe: dict[str, object], tmp_path: Path) -> None:
    run = RunDirectory(Path(str(recipe["rankings"])))
    rows = run.read("rankings", ["query_id", "doc_ids"]).to_pylist()
    # The teacher saw the best two passages and nothing else; another call failed.
    windows = [window_row(row["query_id"], 0, 2) for row in rows]
    failed = {"permutation": None, "outcome": "malformed", "attempt": 1}
    failures = [window_row(row["query_id"], 0, 9) | failed for row in rows]
    path = run.shard_path("windows", 0, 1)
    path.parent.mkdir()
    pq.write_table(pa.Table.from_pylist(failures + windows, schema=TABLES["windows"]), path)
    trained = {}
    for name, evidence in (
        ("seen", "seen"),
        ("implied", "implied"),
        ("all", "all"),
        ("old", "seen"),
    ):
        if name == "old":
            rewrite_windows_as_before(path)
        settings = settings_of(
            recipe, evidence=evidence, out=tmp_path / name, max_steps=2, dropout=0.0
        )
        train_student(settings)
        trained[name] = weights(settings.out)
    for other in ("implied", "old"):
        same = [torch.equal(trained["seen"][name], trained[other][name]) for name in trained["all"]]
        assert all(same)
    assert any(
        not torch.equal(trained["seen"][name], trained["all"][name]) for name in trained["all"]
    )


def window_row(query_id: str, start: int, end: int) -> dict[str, object]:
    zeros = ("duplicates", "missing", "out_of_range", "prompt_tokens", "output_tokens")
    return {
        "query_id": query_id,
        "pass_index": 0,
        "window_index": 0,
        "start": start,
        "end": end,
        "permutation": list(range(end - start)),
        "outcome": "ok",
        "output_text": None,
        **dict.fromkeys(zeros, 0),
    }


def test_evidence_needs_windows_and_a_loss_over_pairs(recipe: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="has no windows"):
        train_student(settings_of(recipe, evidence="seen"))
    with pytest.raises(UsageError, match="the loss 'lce' does not use the pairs") as error:
        train_student(settings_of(recipe, evidence="seen", loss="lce"))
    assert error.value.hint is not None
    assert "adr-mse, lambda, margin-mse, ranknet" in error.value.hint
