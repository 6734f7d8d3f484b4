"""Where workers start, and when it is no use to go on trying."""

from __future__ import annotations

from pathlib import Path

import pytest

from rankgen.generator.shards.events import EventLog
from rankgen.generator.shards.nodes import (
    LONGEST_PAUSE_SECONDS,
    Node,
    NodesAside,
    avoiding,
    refuse_what_no_node_holds,
)
from rankgen.generator.shards.streak import Streak
from rankgen.manifests.errors import EnvironmentProblem
from rankgen.manifests.run.run_directory import RunDirectory

SMALL, LARGE = Node("a", "10.0.0.1", 4, 0), Node("b", "10.0.0.2", 8, 2)


@pytest.mark.parametrize(("cpus", "gpus"), [(8, 2), (1, 0), (4, 0), (0, 2)])
def test_a_worker_that_fits_on_some_node_is_asked_for(cpus: float, gpus: float) -> None:
    refuse_what_no_node_holds([SMALL, LARGE], cpus, gpus)


@pytest.mark.parametrize(("cpus", "gpus"), [(9, 0), (1, 4), (5, 3)])
def test_a_worker_that_no_node_can_hold_is_refused(cpus: float, gpus: float) -> None:
    with pytest.raises(EnvironmentProblem, match="no node of the Ray cluster has") as caught:
        refuse_what_no_node_holds([SMALL, LARGE], cpus, gpus)
    assert "10.0.0.2 has 2 GPUs and 8 CPUs" in caught.value.message
    assert caught.value.exit_code == 3


def test_a_node_is_left_alone_longer_every_time_and_forgiven_once_it_works() -> None:
    clock = [0.0]
    aside = NodesAside(lambda: clock[0])
    pauses = []
    for _ in range(8):
        pauses.append(aside.set_aside("a"))
        assert aside.ids() == ["a"]
        clock[0] += pauses[-1]
        assert aside.ids() == []
    assert pauses == sorted(pauses)
    assert pauses[0] < 10
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    aside.set_aside("a")
    aside.forgive("a")
    assert aside.ids() == []
    assert aside.set_aside("a") == pauses[0]


def test_the_selector_names_the_nodes_to_avoid() -> None:
    assert avoiding([]) is None
    assert avoiding(["a", "b"]) == {"ray.io/node-id": "!in(a,b)"}


def test_a_streak_is_of_one_reason_and_of_several_places() -> None:
    streak = Streak(longest=4)
    said = [streak.failure(f"status 503 after {n} s", f"shard {n % 3}") for n in range(4)]
    assert said == [False, False, False, True]
    streak = Streak(longest=4)
    assert not any(streak.failure("it died", "one poisoned shard") for _ in range(50))
    streak = Streak(longest=4)
    assert not any(streak.failure("abcd"[n % 2], f"shard {n}") for n in range(50))
    streak = Streak(longest=4)
    for n in range(50):
        assert not streak.failure("it died", f"shard {n}")
        streak.success()


def test_an_event_that_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.state.mkdir(parents=True)
    run.events.write_text("a file where the folder of events should be")
    EventLog(run).write("start", workers=1)
