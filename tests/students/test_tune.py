"""`rankgen tune`: seeded trials on Ray, stopped early, resumed, and told with their recipe."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from processes import descendants, kill, wait_until
from pydantic import JsonValue
from safetensors.torch import load_file
from toy_training import toy_lists
from typer.testing import CliRunner, Result

from rankgen.generator.api.tuning.settings import SearchSettings, TuneOptions
from rankgen.generator.api.tuning.space import Choice, Range, draws, read_space
from rankgen.generator.api.tuning.trials import search_of
from rankgen.generator.cli import app
from rankgen.generator.shards.halving import Halving, Reached
from rankgen.students.training.metrics_log import metrics_path
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.train import train_student


class Named(NamedTuple):
    """All of a trial that a scheduler looks at."""

    trial_id: str


SCRIPT = "from rankgen.generator.cli import main; main()"
MEASURED = '"validation nDCG@10"'
LIVELY = "learning_rate=log:1e-5..1e-2"


class Tune(NamedTuple):
    """Runs a search on lists that a tiny backbone can learn, validated on others."""

    rankings: Path
    held: Path
    backbone: str
    out: Path

    def command(self, *words: object, searched: str = LIVELY) -> list[str]:
        command = ["tune", "--rankings", self.rankings, "--validation-rankings", self.held]
        command += ["--out", self.out, "--backbone", self.backbone, "--device", "cpu"]
        command += ["--query-tokens", 8, "--passage-tokens", 16, "--queries-per-step", 4]
        command += ["--max-steps", 9, "--validate-every", 1, "--threads", 1, "--search", searched]
        command += ["--precision", "fp32"]
        return [str(word) for word in [*command, *words]]

    def __call__(self, *words: object, searched: str = LIVELY) -> Result:
        return CliRunner().invoke(app, self.command(*words, searched=searched))


@pytest.fixture
def tune(
    write_rankings: Callable[..., Path], tiny_backbone: str, rankings: Path, tmp_path: Path
) -> Tune:
    orders, _, documents = toy_lists(queries=5, passages=6)
    named = {f"v{query}": order for query, order in orders.items()}
    held = write_rankings("held", named, dict.fromkeys(named, "which is good"), documents)
    return Tune(rankings, held, tiny_backbone, tmp_path / "search")


@pytest.mark.usefixtures("one_ray")
def test_a_search_ends_trials_early_and_resumes(tune: Tune, tmp_path: Path) -> None:
    out = tmp_path / "search"
    done = tune("--trials", 4, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    states = {one["trial"]: one["state"] for one in told["trials"]}
    assert set(states.values()) == {"finished", "stopped"}
    # A stopped trial keeps its curve until it was stopped, and no student.
    stopped = [one for one in told["trials"] if one["state"] == "stopped"]
    finished = [one for one in told["trials"] if one["state"] == "finished"]
    assert all(one["steps"] in (1, 3) and one["last"] is not None for one in stopped)
    assert all(
        one["steps"] == 9 and (Path(one["student"]) / "config.json").exists() for one in finished
    )
    assert not any((out / f"trial-{one['trial']:03d}" / "config.json").exists() for one in stopped)
    best = max(finished, key=lambda one: one["best"])
    assert told["best"] == best["trial"]
    record = json.loads((Path(best["student"]) / "rankgen.json").read_text())
    assert record["figures"]["validation"] == best["best"]
    assert record["settings"]["learning_rate"] == best["settings"]["learning_rate"]
    # The same command does nothing; with more trials it trains these alone.
    stamps = {path: path.read_bytes() for path in out.rglob("metrics.jsonl")}
    more = tune("--trials", 5)
    assert more.exit_code == 0, more.output
    assert "1 of 5 trials to train" in more.stderr
    assert all(path.read_bytes() == content for path, content in stamps.items())
    assert (out / "trial-005" / ".rankgen" / "metrics.jsonl").exists()
    assert "optimistic" in more.stdout
    again = tune("--trials", 5)
    assert again.exit_code == 0, again.output
    assert "to train" not in again.stderr
    table = (out / "trials.tsv").read_text().splitlines()
    assert len(table) == 6
    # The recipe trains the best one's student again.
    recipe = tomllib.loads((out / "best.toml").read_text())
    (step,) = recipe["step"]
    winner = json.loads((out / "tune.json").read_text())
    found = next(one for one in winner["trials"] if one["trial"] == winner["best"])
    assert step["learning_rate"] == found["settings"]["learning_rate"]
    run = CliRunner().invoke(app, ["run", str(out / "best.toml")])
    assert run.exit_code == 0, run.output
    equal = [
        load_file(folder / "model.safetensors")
        for folder in (Path(found["student"]), out / "best" / "student")
    ]
    assert all(torch.equal(weight, equal[1][name]) for name, weight in equal[0].items())
    other = tune("--trials", 5, searched="learning_rate=log:1e-5..1e-3")
    assert other.exit_code == 2
    assert "was begun with other settings: search" in other.stderr


def test_a_scheduler_knows_what_earlier_trials_reached() -> None:
    halving = Halving(grace=2, steps=18, reduction=3)
    assert halving.rungs == [2, 6]
    # Twice a third of the trials goes on: 2 + 4 / 3 + 12 / 9 of 18 steps.
    assert halving.expected_share == pytest.approx((2 + 4 / 3 + 12 / 9) / 18)
    earlier = [Reached(1, 2, 0.9), Reached(2, 2, 0.5), Reached(1, 6, 0.95)]

    def decided(step: int, value: float) -> str:
        scheduler = halving.scheduler(earlier)
        trial = Named("new")
        scheduler.on_trial_add(None, trial)
        return str(scheduler.on_trial_result(None, trial, {"step": step, "value": value}))

    assert decided(2, 0.6) == decided(6, 0.9) == "STOP"
    assert decided(2, 0.9) == decided(6, 0.96) == "CONTINUE"
    # There is nothing left to save after the last step.
    assert decided(1, 0.0) == "CONTINUE"
    alone = Halving(grace=2, steps=18, reduction=3).scheduler([])
    alone.on_trial_add(None, Named("first"))
    assert alone.on_trial_result(None, Named("first"), {"step": 18, "value": 0.1}) == "CONTINUE"
    assert Halving(grace=3, steps=3, reduction=3).rungs == []


def test_a_training_tells_of_each_validation_but_its_last(tune: Tune, tmp_path: Path) -> None:
    told: list[int] = []
    settings = TrainSettings.model_validate(
        {
            "rankings": tune.rankings,
            "validation_rankings": tune.held,
            "out": tmp_path / "student",
            "backbone": tune.backbone,
            "queries_per_step": 4,
            "max_steps": 4,
            "validate_every": 1,
            "device": "cpu",
        }
    )

    def tell() -> None:
        told.append(metrics_path(settings.out).read_text().count(MEASURED))

    train_student(settings, tell)
    # The last one is followed by the publication, which nothing may stop.
    assert told == [1, 2, 3]


def test_draws_are_seeded_and_stay_when_there_are_more() -> None:
    def drawn(*searched: str, seed: int = 0, count: int = 6) -> list[dict[str, JsonValue]]:
        space = read_space(SearchSettings(search=searched))
        return list(itertools.islice(draws(space, seed), count))

    rate = drawn("learning_rate=log:1e-6..1e-4", count=200)
    values = [float(str(one["learning_rate"])) for one in rate]
    assert 1e-6 <= min(values) < 2e-6
    assert 5e-5 < max(values) <= 1e-4
    # As many below the geometric middle as above it.
    assert sum(value < 1e-5 for value in values) == pytest.approx(100, abs=25)
    assert drawn("learning_rate=log:1e-6..1e-4") == rate[:6]
    assert drawn("learning_rate=log:1e-6..1e-4", seed=1) != rate[:6]
    both = drawn("warmup-steps=0..3", "learning_rate=log:1e-6..1e-4", count=200)
    # Another setting changes no value.
    rates = [[one["learning_rate"] for one in found[:30]] for found in (both, rate)]
    assert rates[0] == rates[1]
    assert {one["warmup_steps"] for one in both} == {0, 1, 2, 3}
    # A small space is used up, without a repetition.
    losses = drawn("loss=ranknet|ranknet:1,lce:0.5|lce", "schedule=linear|constant", count=99)
    assert len(losses) == 6
    assert {"loss": "ranknet:1,lce:0.5", "schedule": "linear"} in losses


def test_a_file_names_the_space_and_options_override_it(tmp_path: Path) -> None:
    path = tmp_path / "space.toml"
    path.write_text(
        'learning_rate = "1e-5..1e-4"\nloss = ["ranknet", "lce"]\nsample_size = [8, 16]\n'
    )
    space = read_space(SearchSettings(search_file=path, search=("loss=kl",)))
    assert space["learning_rate"] == Range(1e-5, 1e-4, is_log=False, is_whole=False)
    assert (space["loss"], space["sample_size"]) == (Choice(("kl",)), Choice((8, 16)))


@pytest.mark.parametrize(
    ("searched", "said"),
    [
        ("learning_rat=1..2", "did you mean 'learning_rate'"),
        ("validation_depth=1|2", "give it as an option of all trials: --validation-depth"),
        ("device=cpu|cuda", "device cannot be searched"),
        ("warmup_steps=0.5..2", "it takes whole numbers"),
        ("loss=a..b", "it takes no range"),
        ("learning_rate=log:0..1", "both above 0"),
        ("learning_rate=2..1", "from a smaller to a larger number"),
        ("learning_rate", "--search needs NAME=VALUES"),
        ("loss=ranknet|", "are not numbers or words"),
        ("loss=ranknett|lcee|mmse", "trial 1: "),
        ("warmup_steps=9|10|11", "so it would never reach its learning rate"),
        ("learning_rate=-1|-2|-3", "learning_rate must be above 0"),
        ("loss=ranknet|lce", "make 2 different trials, fewer than 3"),
    ],
)
def test_an_impossible_space_is_one_sentence(
    tune: Tune, tmp_path: Path, searched: str, said: str
) -> None:
    done = tune("--trials", 3, searched=searched)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert not (tmp_path / "search").exists()


def test_a_search_needs_a_validation(rankings: Path, tmp_path: Path) -> None:
    command = ["tune", "--rankings", str(rankings), "--out", str(tmp_path / "search")]
    done = CliRunner().invoke(app, [*command, "--search", LIVELY])
    assert done.exit_code == 2
    assert "trials are compared on validation, and there is none" in done.stderr


def test_a_forecast_tells_the_trials_and_writes_nothing(tune: Tune, tmp_path: Path) -> None:
    done = tune("--trials", 3, "--dry-run", "--json", "--tokens-per-second", 1000)
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "search").exists()
    told = json.loads(done.stdout)
    assert told["rungs"] == [1, 3]
    assert [one["steps"] for one in told["trials"]] == [9, 9, 9]
    assert len({one["settings"]["learning_rate"] for one in told["trials"]}) == 3
    # 9 steps of 4 lists of 6 passages; 10 validations of 5 lists, at a third of the cost.
    tokens = 9 * 4 * 6 * told["tokens_per_pair"]
    scored = 10 * 5 * 6 * told["tokens_per_pair"] / 3
    assert told["seconds"] == pytest.approx(3 * (tokens + scored) / 1000, rel=0.01)


def test_a_trial_counts_the_lists_that_its_loss_learns_from(
    tune: Tune, write_rankings: Callable[..., Path]
) -> None:
    """With fewer steps than it takes, a trial would be stopped before its end."""
    orders, queries, documents = toy_lists(queries=3, passages=4)
    orders["q00"] = orders["q00"][:1]
    scores = {query: [float(-n) for n in range(len(of))] for query, of in orders.items()}
    run = write_rankings("scored", orders, queries, documents, scores)
    usual = {"rankings": run, "out": tune.out, "backbone": tune.backbone, "trials": 1}
    usual |= {"validation_rankings": tune.held, "search": [LIVELY], "queries_per_step": 1}
    for loss, steps in (("mse", 9), ("margin-mse", 6)):
        (trial,) = search_of(TuneOptions.model_validate({**usual, "loss": loss})).trials
        assert (trial.lists, trial.steps) == (steps // 3, steps)


@pytest.fixture
def trials_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the trials in this process in place of Ray's, one after the other."""

    def here(work: Any, trials: Any, *rest: object, ended: Any, **named: object) -> dict[int, str]:
        for number in trials:
            work(number, lambda step, value: None)
            ended(number)
        return {}

    monkeypatch.setattr("rankgen.generator.api.tuning.run.run_halving", here)


@pytest.mark.usefixtures("trials_here")
def test_a_trial_whose_loss_diverges_is_a_result(tune: Tune, tmp_path: Path) -> None:
    done = tune("--trials", 2, searched="learning_rate=1e-3|1e30")
    assert done.exit_code == 0, done.output
    assert "diverged" in done.stdout
    told = json.loads((tmp_path / "search" / "tune.json").read_text())
    states = {one["settings"]["learning_rate"]: one for one in told["trials"]}
    assert states[1e30]["state"] == "diverged"
    assert "the training diverged before step 2" in states[1e30]["reason"]
    assert states[1e-3]["state"] == "finished"
    again = tune("--trials", 2, searched="learning_rate=1e-3|1e30")
    assert "to train" not in again.stderr


@pytest.mark.usefixtures("one_ray")
def test_a_setting_that_fails_every_trial_is_named_and_mended(
    tune: Tune, capfd: pytest.CaptureFixture[str]
) -> None:
    done = tune("--trials", 2, "--passage-tokens", 5000)
    assert done.exit_code == 2, done.output
    assert "every trial failed: " in done.stderr
    assert "reads 320 tokens, but a pair has up to 5011" in done.stderr
    assert "repeat the command" not in done.stderr
    assert "hint: lower them: rankgen train-student --query-tokens" in done.stderr
    assert json.loads((tune.out / "tune.json").read_text())["trials"][0]["exit_code"] == 2
    # Nothing was trained, so the mended command may have the folder.
    mended = tune("--trials", 2)
    assert mended.exit_code == 0, mended.output
    # What Ray Tune prints, on either stream, reaches the user beside what the command says.
    heard = capfd.readouterr()
    assert "Last result" not in done.output + mended.output + heard.out + heard.err
    changed = tune("--trials", 2, "--passage-tokens", 8)
    assert (changed.exit_code, "was begun with other settings" in changed.stderr) == (2, True)


@pytest.mark.usefixtures("trials_here")
def test_trials_fail_by_their_own_values_beside_others_that_end(tune: Tune) -> None:
    done = tune("--trials", 2, searched="passage_tokens=16|5000")
    assert done.exit_code == 2, done.output
    assert "1 of 2 trials failed (first: trial " in done.stderr
    assert "passage_tokens=5000: " in done.stderr
    assert "best: trial " in done.stdout


def _validated(out: Path, trial: int) -> int:
    path = metrics_path(out / f"trial-{trial:03d}")
    return path.read_text().count(MEASURED) if path.exists() else 0


@pytest.mark.slow
def test_a_search_survives_a_killed_worker_and_a_killed_driver(tune: Tune) -> None:
    out = tune.out
    words = ["--trials", "3", "--max-steps", "120", "--checkpoint-every", "5"]
    words += ["--patience-steps", "1000", "--grace-steps", "100"]
    driver = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from rankgen.generator.cli import main; main()",
            *tune.command(*words),
        ]
    )
    try:
        wait_until(lambda: _validated(out, 1) > 20, "the first trial does not begin")
        workers = [
            child
            for child in descendants(driver.pid)
            if "ImplicitFunc" in Path(f"/proc/{child}/cmdline").read_text()
        ]
        assert workers
        for worker in workers:
            kill(worker)
        assert _validated(out, 1) < 120
        # The trial goes on in another process, from its checkpoint.
        wait_until((out / "trial-001" / "config.json").exists, "the first trial does not end")
        wait_until(lambda: _validated(out, 2) > 20, "the second trial does not begin")
        children = descendants(driver.pid)
    finally:
        driver.kill()
        driver.wait()
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            kill(child)
    first = (out / "trial-001" / "rankgen.json").read_bytes()
    assert json.loads(first)["figures"]["steps"] == 120
    steps = [json.loads(line)["step"] for line in metrics_path(out / "trial-001").open()]
    assert sorted(set(steps)) == list(range(1, 121))
    again = tune(*words)
    assert again.exit_code == 0, again.output
    assert "2 of 3 trials to train" in again.stderr
    assert (out / "trial-001" / "rankgen.json").read_bytes() == first
    told = json.loads((out / "tune.json").read_text())
    assert {one["state"] for one in told["trials"]} <= {"finished", "stopped"}
