"""Members of a team, each in its own process: what they share, and one that runs out of memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def told_by(script: str, *members: tuple[str, ...]) -> list[Any]:
    """Runs the script once for each member's arguments, at once; returns the JSON they print."""
    processes = [
        subprocess.Popen([sys.executable, "-c", script, *words], stdout=subprocess.PIPE, text=True)
        for words in members
    ]
    return [json.loads(process.communicate(timeout=280)[0]) for process in processes]


MEMBER = """
import json, os, sys
import torch
import torch.distributed as dist
from rankgen.students.training.team import current_team
rank, size = int(sys.argv[1]), 2
dist.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=size)
team = current_team()
with_gradient = [torch.zeros(3), torch.zeros(2), torch.zeros(1)]
with_gradient[0].grad = torch.full((3,), rank + 1.0)
if rank == 1:
    with_gradient[1].grad = torch.ones(2)
team.sum_gradients(with_gradient)
cpu = torch.device("cpu")
said = {
    "own": team.own(5),
    "gradients": [None if p.grad is None else p.grad.tolist() for p in with_gradient],
    "sum": team.sum(rank + 0.5, cpu),
    "of_first": team.of_first(rank + 0.25, cpu),
}
team.wait()
print(json.dumps(said))
"""


def test_members_share_lists_and_gradients(tmp_path: Path) -> None:
    meeting = str(tmp_path / "meeting")
    said = told_by(MEMBER, ("0", meeting), ("1", meeting))
    assert [one["own"] for one in said] == [[0, 2, 4], [1, 3]]
    for one in said:
        assert one["gradients"] == [[3.0, 3.0, 3.0], [1.0, 1.0], None]
        assert one["sum"] == 2.0
        assert one["of_first"] == 0.25


SCARCE_MEMBER = """
import json, sys
import numpy as np
import torch
import torch.distributed as dist
from rankgen.students.model import scoring
from rankgen.students.training import step as step_module
from rankgen.students.training.batches import TokenList
from rankgen.students.model.loading import load_backbone
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.losses import parse_loss
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.team import current_team
rank, size, meeting, backbone = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
torch.set_num_threads(1)
if size > 1:
    dist.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=size
    )
whole = scoring.forward_sorted
failures = []
def scarce(encoder, pairs, hardware):
    if rank == 1 and len(pairs) > 3:
        failures.append(len(pairs))
        raise torch.OutOfMemoryError("CUDA out of memory")
    return whole(encoder, pairs, hardware)
step_module.forward_sorted = scarce
encoder = load_backbone(backbone, seed=1, query_tokens=8, passage_tokens=16, dropout=0.0)
draw = np.random.default_rng(1)
def words(count):
    return draw.integers(1000, 9000, count).astype(np.int32)
lists = []
for number in range(5):
    pairs = [(words(4), words(9)) for _ in range(3)]
    tokens = sum(encoder.template.length(*pair) for pair in pairs)
    lists.append(TokenList(f"q{number}", pairs, tokens, np.arange(3)))
settings = TrainSettings(rankings="r", out="o", learning_rate=1e-3)
hardware = choose_hardware("cpu", "fp32")
trainer = step_module.Trainer(
    encoder, parse_loss("ranknet"), settings, hardware, 9, None, current_team()
)
trainer.run(0, lists)
gradients = [p.grad.flatten()[:99].tolist() for p in encoder.model.parameters()]
print(json.dumps({"gradients": gradients, "failures": failures}))
"""


def test_a_member_that_runs_out_of_memory_repeats_and_the_others_wait(
    tmp_path: Path, tiny_backbone: str
) -> None:
    meeting = str(tmp_path / "meeting")
    places = (("0", "1"), ("0", "2"), ("1", "2"))
    alone, first, second = told_by(
        SCARCE_MEMBER, *((*place, meeting, tiny_backbone) for place in places)
    )
    assert (alone["failures"], first["failures"], second["failures"]) == ([], [], [6])
    for expected, *found in zip(
        alone["gradients"], first["gradients"], second["gradients"], strict=True
    ):
        assert found[0] == found[1]
        assert found[0] == pytest.approx(expected, rel=1e-3, abs=1e-6)
