"""Two gloo workers: the gradients, the steps and the student of one process."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.generator.shards import team as team_module
from rankgen.generator.shards.team import run_in_team
from rankgen.manifests.errors import EnvironmentProblem, IncompleteRun, IntegrityProblem
from rankgen.students.training.team import current_team

pytestmark = pytest.mark.usefixtures("one_ray")


@pytest.fixture
def words(write_rankings: Callable[..., Path], tiny_backbone: str) -> list[str]:
    orders = {f"q{n}": [f"d{n}-{place}" for place in range(5)] for n in range(9)}
    documents = {
        doc_id: " ".join(["good"] * (5 - place) + [f"word{n}"] * place)
        for n, ids in enumerate(orders.values())
        for place, doc_id in enumerate(ids)
    }
    rankings = write_rankings("rankings", orders, dict.fromkeys(orders, "good"), documents)
    words = ["train-student", "--rankings", str(rankings), "--backbone", tiny_backbone]
    words += ["--learning-rate", "1e-3", "--queries-per-step", "3"]
    words += ["--device", "cpu", "--precision", "fp32"]
    words += ["--query-tokens", "8", "--passage-tokens", "16", "--dropout", "0"]
    return [*words, "--checkpoint-every", "2"]


def trained(words: list[str], out: Path, *more: str) -> dict[str, torch.Tensor]:
    result = CliRunner().invoke(app, [*words, *more, "--out", str(out)])
    assert result.exit_code == 0, result.output
    return load_file(out / "model.safetensors")


def assert_same(ones: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> None:
    assert ones.keys() == others.keys()
    for name, tensor in ones.items():
        # They change no attention and no order; AdamW makes steps of their gradients' rounding.
        if not name.endswith(("key.bias", "classifier.bias")):
            torch.testing.assert_close(others[name], tensor, rtol=0, atol=1e-4, msg=name)


@pytest.mark.parametrize("adapters", [[], ["--lora-rank", "2"]], ids=["whole", "lora"])
def test_two_workers_make_the_student_of_one(
    adapters: list[str], words: list[str], tmp_path: Path
) -> None:
    alone = trained(words, tmp_path / "alone", "--max-steps", "6", *adapters)
    both = trained(words, tmp_path / "both", "--max-steps", "6", *adapters, "--workers", "2")
    assert_same(alone, both)
    log = (tmp_path / "both" / ".rankgen" / "metrics.jsonl").read_text().splitlines()
    other = (tmp_path / "alone" / ".rankgen" / "metrics.jsonl").read_text().splitlines()
    losses = [[json.loads(line)["loss"] for line in lines] for lines in (log, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert not (tmp_path / "both" / ".rankgen" / "team").exists()


@pytest.mark.slow
def test_a_killed_worker_costs_the_steps_since_the_checkpoint(
    words: list[str], tmp_path: Path
) -> None:
    out, steps = tmp_path / "both", ["--max-steps", "60"]
    alone = trained(words, tmp_path / "alone", *steps)
    killed: list[int] = []

    def kill_one() -> None:
        while not (out / ".rankgen" / "checkpoint.pt").exists():
            time.sleep(0.02)
        for process in psutil.Process().children(recursive=True):
            if "RayTrainWorker" in " ".join(process.cmdline()):
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)
                return

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    both = trained(words, out, *steps, "--workers", "2")
    killer.join()
    assert killed
    assert_same(alone, both)


def test_what_cannot_work_is_one_sentence(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="99 workers need 99 CPUs"):
        run_in_team(lambda: None, 99, tmp_path / "team", may_use_gpus=False)


def test_an_error_of_one_worker_ends_them_all(tmp_path: Path) -> None:
    meetings = tmp_path / "meetings"

    def meet_without_the_first(error: Exception) -> Callable[[], None]:
        def meet() -> None:
            team = current_team()
            with meetings.open("a") as file:
                file.write(f"{team.rank} {time.time()}\n")
            if team.is_first:
                raise error
            # The first never comes.
            team.wait()

        return meet

    ours = IntegrityProblem("it cannot be", "do something else")
    with pytest.raises(IntegrityProblem, match="it cannot be") as caught:
        run_in_team(meet_without_the_first(ours), 2, tmp_path / "team", may_use_gpus=False)
    began = max(float(line.split()[1]) for line in meetings.read_text().splitlines())
    # Ray looks once in a second, and torch is given two to leave its group.
    assert time.time() - began < 60
    assert caught.value.hint == "do something else"
    assert len(meetings.read_text().splitlines()) == 2
    assert not (tmp_path / "team").exists()


def test_a_fault_of_one_worker_is_tried_again_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team_module, "RESTARTS", 1)

    def fail() -> None:
        team = current_team()
        if team.is_first:
            raise ValueError("some\nodd number")
        team.wait()

    with pytest.raises(IncompleteRun, match=r"the workers failed 2 times: .*odd number"):
        run_in_team(fail, 2, tmp_path / "team", may_use_gpus=False)


def test_the_first_workers_time_ends_the_training(words: list[str], tmp_path: Path) -> None:
    trained(
        words, tmp_path / "both", "--max-steps", "99999", "--max-minutes", "0.05", "--workers", "2"
    )
    record = json.loads((tmp_path / "both" / "rankgen.json").read_text(encoding="utf-8"))
    assert record["figures"]["ended_by"] == "time budget"
    assert record["figures"]["steps"] == record["figures"]["best_step"] > 0
