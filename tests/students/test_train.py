"""The loop: it learns, accumulates exactly, resumes exactly, and leaves a whole student."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from rankgen.manifests.errors import IncompleteRun, UsageError
from rankgen.manifests.run_directory import RunDirectory
from rankgen.manifests.schema import TABLES
from rankgen.students import step as step_module
from rankgen.students import train, training_run
from rankgen.students.batches import StepLists
from rankgen.students.cross_encoder import load_backbone
from rankgen.students.evidence import PairEvidence, Window
from rankgen.students.hardware import choose_hardware
from rankgen.students.lists import RankedList, read_training_lists
from rankgen.students.losses import parse_loss
from rankgen.students.settings import TrainSettings
from rankgen.students.step import Trainer
from rankgen.students.train import train_student

Texts = tuple[dict[str, list[str]], dict[str, str], dict[str, str]]
WORDS = [f"{letter}{vowel}{last}" for letter in "bdfgklm" for vowel in "aeiou" for last in "nt"]


def toy_lists(queries: int, passages: int) -> Texts:
    """Passages of a list hold 0, 1, 2, ... times the word that makes a passage good."""
    draw = random.Random(5)
    orders, documents = {}, {}
    for number in range(queries):
        order = []
        for place in range(passages):
            good = passages - 1 - place
            words = ["good"] * good + draw.choices(WORDS, k=passages - good)
            draw.shuffle(words)
            documents[f"d{number}-{place}"] = " ".join(words)
            order.append(f"d{number}-{place}")
        orders[f"q{number:02d}"] = order
    return orders, dict.fromkeys(orders, "which is good"), documents


@pytest.fixture
def rankings(write_rankings: Callable[..., Path]) -> Path:
    return write_rankings("rankings", *toy_lists(queries=12, passages=6))


@pytest.fixture
def recipe(rankings: Path, tiny_backbone: str, tmp_path: Path) -> dict[str, object]:
    return {
        "rankings": rankings,
        "out": tmp_path / "student",
        "backbone": tiny_backbone,
        "learning_rate": 3e-3,
        "queries_per_step": 4,
        "query_tokens": 8,
        "passage_tokens": 16,
        "dropout": 0.1,
        "device": "cpu",
        "seed": 3,
    }


def settings_of(recipe: dict[str, object], **changed: object) -> TrainSettings:
    return TrainSettings.model_validate(recipe | changed)


def weights(student: Path) -> dict[str, torch.Tensor]:
    return load_file(student / "model.safetensors")


def test_a_student_learns_what_the_teacher_says(recipe: dict[str, object]) -> None:
    summary = train_student(settings_of(recipe, max_steps=60))
    assert summary.steps == 60
    assert summary.pairs == 60 * 4 * 6
    assert summary.loss < 0.6 * math.log(2)


def test_the_artefact_is_whole_and_says_how_it_was_made(recipe: dict[str, object]) -> None:
    settings = settings_of(recipe, max_steps=2)
    train_student(settings)
    names = {path.name for path in settings.out.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= names
    record = json.loads((settings.out / "rankgen.json").read_text(encoding="utf-8"))
    assert record["settings"]["loss"] == "ranknet"
    assert len(record["facts"]["rankings_sha256"]) == 64
    assert record["figures"]["steps"] == 2
    assert "12 rankings" in (settings.out / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in (settings.out / ".rankgen").iterdir()} == {
        "recipe.json",
        "metrics.jsonl",
        "tensorboard",
    }


def test_running_again_does_nothing_and_says_so(recipe: dict[str, object]) -> None:
    settings = settings_of(recipe, max_steps=2)
    first = train_student(settings)
    before = (settings.out / "model.safetensors").stat().st_mtime_ns
    again = train_student(settings)
    assert again == first.model_copy(update={"was_finished": True})
    assert (settings.out / "model.safetensors").stat().st_mtime_ns == before


def test_another_recipe_on_the_same_output_is_refused(recipe: dict[str, object]) -> None:
    train_student(settings_of(recipe, max_steps=1))
    with pytest.raises(UsageError, match="seed: 3 there, 4 now"):
        train_student(settings_of(recipe, max_steps=1, seed=4))


def test_other_data_on_the_same_output_is_refused(
    recipe: dict[str, object], write_rankings: Callable[..., Path]
) -> None:
    train_student(settings_of(recipe, max_steps=1))
    write_rankings("rankings", *toy_lists(queries=11, passages=6))
    with pytest.raises(UsageError, match="rankings_sha256"):
        train_student(settings_of(recipe, max_steps=1))


def test_a_failed_start_binds_the_output_to_nothing(
    recipe: dict[str, object], tmp_path: Path
) -> None:
    out = Path(str(recipe["out"]))
    with pytest.raises(UsageError, match="cannot be loaded"):
        train_student(settings_of(recipe, backbone=str(tmp_path / "no-such-model")))
    assert not out.exists()
    assert train_student(settings_of(recipe, max_steps=1)).steps == 1


def test_another_recipe_may_not_take_over_a_checkpoint(
    recipe: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(train, "publish_student", dying)
    with pytest.raises(Killed):
        train_student(settings_of(recipe, max_steps=1))
    with pytest.raises(UsageError, match='loss: "ranknet" there, "lce" now'):
        train_student(settings_of(recipe, max_steps=1, loss="lce"))
    monkeypatch.undo()
    summary = train_student(settings_of(recipe, max_steps=1))
    assert (summary.steps, summary.was_finished) == (1, False)


class Killed(Exception):
    """Stands for kill -9: nothing between the steps sees it coming."""


@pytest.mark.parametrize("killed_after", [3, 5])
def test_a_killed_training_resumes_to_the_same_weights(
    recipe: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    killed_after: int,
) -> None:
    whole = settings_of(recipe, max_steps=6, schedule="linear", sample_size=4)
    train_student(whole)
    broken = whole.model_copy(update={"out": tmp_path / "broken", "checkpoint_every": 2})
    original = Trainer.run

    def dying(self: Trainer, step: int, lists: list[object]) -> object:
        if step == killed_after:
            raise Killed
        return original(self, step, lists)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "run", dying)
    with pytest.raises(Killed):
        train_student(broken)
    assert not (broken.out / "config.json").exists()
    monkeypatch.setattr(Trainer, "run", original)
    again = broken.model_copy(update={"checkpoint_every": 2})
    assert train_student(again).steps == 6
    expected, resumed = weights(whole.out), weights(broken.out)
    for name, tensor in expected.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=0, atol=1e-6, msg=name)
    log = (broken.out / ".rankgen" / "metrics.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["step"] for line in log.splitlines()] == [1, 2, 3, 4, 5, 6]


def test_tensorboard_shows_the_steps(recipe: dict[str, object]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = settings_of(recipe, max_steps=3)
    train_student(settings)
    board = EventAccumulator(str(settings.out / ".rankgen" / "tensorboard"))
    board.Reload()
    lines = (settings.out / ".rankgen" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert [event.step for event in board.Scalars("loss")] == [1, 2, 3]
    assert [event.value for event in board.Scalars("loss")] == pytest.approx(losses, rel=1e-6)


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
        encoder = load_backbone(
            settings.backbone, seed=3, query_tokens=8, passage_tokens=16, dropout=0.0
        )
        draws = StepLists(
            ragged,
            encoder.tokenise_queries(lists.queries),
            encoder.tokenise_passages(lists.documents),
            encoder.template,
            queries_per_step=7,
            sample_size=None,
            sample_mode="random",
            seed=3,
        )
        evidence = halves_of(ragged) if is_weighed else None
        trainer = Trainer(encoder, parse_loss(loss), settings, hardware, 1, evidence)
        trainer.run(0, draws.of_step(0))
        gradients.append(
            torch.cat([p.grad.flatten() for p in encoder.model.parameters() if p.grad is not None])
        )
    assert gradients[0].norm() > 1e-4
    for other in gradients[1:]:
        assert (other - gradients[0]).norm() < 1e-4 * gradients[0].norm()


def test_a_list_that_does_not_fit_sees_the_same_dropout(recipe: dict[str, object]) -> None:
    settings = settings_of(recipe, dropout=0.3)
    lists = read_training_lists(RunDirectory(settings.rankings), None)
    gradients, losses = [], []
    for step_tokens in (1, 10**9):
        hardware = choose_hardware("cpu", "fp32", step_tokens=step_tokens, chunk_tokens=30)
        encoder = load_backbone(
            settings.backbone, seed=3, query_tokens=8, passage_tokens=16, dropout=0.3
        )
        draws = StepLists(
            lists.lists,
            encoder.tokenise_queries(lists.queries),
            encoder.tokenise_passages(lists.documents),
            encoder.template,
            queries_per_step=1,
            sample_size=None,
            sample_mode="random",
            seed=3,
        )
        trainer = Trainer(encoder, parse_loss("ranknet"), settings, hardware, 1, None)
        losses.append(trainer.run(0, draws.of_step(0)).loss)
        gradients.append(
            torch.cat([p.grad.flatten() for p in encoder.model.parameters() if p.grad is not None])
        )
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
    # The teacher saw the best two passages and nothing else.
    windows = [window_row(row["query_id"], 0, 2) for row in rows]
    path = run.shard_path("windows", 0, 1)
    path.parent.mkdir()
    pq.write_table(pa.Table.from_pylist(windows, schema=TABLES["windows"]), path)
    trained = {}
    for evidence in ("seen", "implied", "all"):
        settings = settings_of(
            recipe, evidence=evidence, out=tmp_path / evidence, max_steps=2, dropout=0.0
        )
        train_student(settings)
        trained[evidence] = weights(settings.out)
    same = [torch.equal(trained["seen"][name], trained["implied"][name]) for name in trained["all"]]
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
    with pytest.raises(UsageError, match="the loss 'lce' has no pairs") as error:
        train_student(settings_of(recipe, evidence="seen", loss="lce"))
    assert error.value.hint is not None
    assert "adr-mse, lambda, margin-mse, ranknet" in error.value.hint


def test_nan_stops_with_the_queries_and_keeps_the_checkpoint(
    recipe: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = step_module.forward_sorted
    calls = []

    def failing(*arguments: object, **options: object) -> torch.Tensor:
        calls.append(1)
        scores: torch.Tensor = original(*arguments, **options)  # type: ignore[arg-type]
        return scores * math.nan if len(calls) > 2 else scores

    monkeypatch.setattr(step_module, "forward_sorted", failing)
    settings = settings_of(recipe, max_steps=5, checkpoint_every=2)
    with pytest.raises(IncompleteRun, match=r"the loss of step 3 is nan \(queries q"):
        train_student(settings)
    assert (settings.out / ".rankgen" / "checkpoint.pt").exists()
    assert not (settings.out / "config.json").exists()


def test_frozen_layers_keep_their_weights(recipe: dict[str, object]) -> None:
    settings = settings_of(recipe, max_steps=2, frozen_layers=1, weight_decay=0.5)
    train_student(settings)
    fresh = load_backbone(
        settings.backbone, seed=3, query_tokens=8, passage_tokens=16, dropout=None
    ).model.state_dict()
    for name, tensor in weights(settings.out).items():
        is_frozen = "embeddings" in name or ".layer.0." in name
        assert torch.equal(tensor, fresh[name]) == is_frozen, name


def test_lists_of_one_are_skipped_and_counted(
    recipe: dict[str, object], write_rankings: Callable[..., Path]
) -> None:
    orders, queries, documents = toy_lists(queries=3, passages=4)
    orders["q00"] = orders["q00"][:1]
    folder = write_rankings("short", orders, queries, documents)
    summary = train_student(settings_of(recipe, rankings=folder, max_steps=1))
    assert (summary.lists, summary.skipped_lists) == (2, 1)


def test_only_lists_of_one_is_one_sentence(
    recipe: dict[str, object], write_rankings: Callable[..., Path]
) -> None:
    folder = write_rankings("one", *toy_lists(queries=2, passages=1))
    with pytest.raises(UsageError, match="no ranking of two passages"):
        train_student(settings_of(recipe, rankings=folder, max_steps=1))
    assert not Path(str(recipe["out"])).exists()


def test_validation_keeps_the_best_weights_and_stops_early(
    recipe: dict[str, object],
    write_candidates: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    orders, queries, documents = toy_lists(queries=4, passages=6)
    lists = {q: [(d, float(-n)) for n, d in enumerate(reversed(ids))] for q, ids in orders.items()}
    folder = write_candidates("validation", lists, queries, documents)
    qrels = tmp_path / "qrels.trec"
    qrels.write_text("".join(f"{q} 0 {ids[0]} 1\n" for q, ids in orders.items()))
    measured = iter([0.3, 0.6, 0.5, 0.4])
    kept: dict[str, torch.Tensor] = {}

    def measure(self: object, encoder: object, **_: object) -> float:
        value = next(measured)
        if value == 0.6:
            model = encoder.model  # type: ignore[attr-defined]
            kept.update({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return value

    monkeypatch.setattr(training_run.Validation, "__call__", measure)
    settings = settings_of(
        recipe,
        max_steps=50,
        validation=folder,
        validation_qrels=qrels,
        validate_every=2,
        patience_steps=4,
    )
    summary = train_student(settings)
    assert (summary.steps, summary.best_step, summary.validation) == (8, 4, 0.6)
    assert summary.is_stopped_early
    assert summary.first_stage == pytest.approx(1 / math.log2(7))
    stored = weights(settings.out)
    assert all(torch.equal(stored[name], kept[name]) for name in stored)


def test_validation_measures_the_student(
    recipe: dict[str, object], write_candidates: Callable[..., Path], tmp_path: Path
) -> None:
    orders, queries, documents = toy_lists(queries=4, passages=6)
    lists = {q: [(d, float(n)) for n, d in enumerate(ids)] for q, ids in orders.items()}
    folder = write_candidates("validation", lists, queries, documents)
    qrels = tmp_path / "qrels.trec"
    qrels.write_text("".join(f"{q} 0 {ids[0]} 1\n" for q, ids in orders.items()))
    summary = train_student(
        settings_of(recipe, max_steps=40, validation=folder, validation_qrels=qrels)
    )
    assert summary.first_stage is not None
    assert summary.validation is not None
    assert summary.validation > summary.first_stage + 0.3


@pytest.mark.parametrize("changed", [{"los": "ranknet"}, {"queries_per_step": 0}])
def test_settings_refuse_what_they_do_not_know(
    recipe: dict[str, object], changed: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=next(iter(changed))):
        settings_of(recipe, **changed)
