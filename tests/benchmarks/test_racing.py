"""What `benchmarks/labelling.py` computes from its measurements, and the simulation beside it."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from rankgen.manifests.records import Document, Query
from rankgen.manifests.run.run_directory import RunDirectory

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def shape(**changes: Any) -> Any:
    from racing.simulated import EngineShape

    told = {"prefill": 10_000.0, "base": 0.02, "per_sequence": 0.0005, "kv_tokens": 200_000}
    return EngineShape(**{**told, **changes})


def work(**changes: Any) -> Any:
    from racing.feeding import Work

    told = {"windows": 9, "prompt": 500.0, "spread": 20.0, "answer": 90}
    return Work(**{**told, **changes})


def test_a_lone_request_takes_its_reading_and_a_step_for_each_token_after_the_first() -> None:
    from racing.simulated import Request, SimulatedEngine

    ended: list[float] = []
    engine = SimulatedEngine(shape(), lambda _, now: ended.append(now))
    engine.send(Request(0, 0, prompt=1000, answer=11), 3.0)
    while engine.next_time < float("inf"):
        engine.work()
    assert ended == [pytest.approx(3.0 + 1000 / 10_000 + 10 * 0.0205)]
    assert engine.busy == pytest.approx(ended[0] - 3.0)


def test_an_engine_holds_no_more_than_its_cache_and_reads_no_more_than_a_step() -> None:
    from racing.simulated import Request, SimulatedEngine

    ended: list[float] = []
    small = shape(kv_tokens=1000, base=1.0, per_sequence=0.0, prefill=1e9)
    engine = SimulatedEngine(small, lambda _, now: ended.append(round(now, 3)))
    for number in range(4):
        engine.send(Request(number, 0, prompt=400, answer=11), 0.0)
    while engine.next_time < float("inf"):
        engine.work()
    # Two at a time, ten steps of a second each.
    assert ended == [10.0, 10.0, 20.0, 20.0]
    ended.clear()
    narrow = shape(step_tokens=100, prefill=100.0)
    engine = SimulatedEngine(narrow, lambda _, now: ended.append(now))
    engine.send(Request(0, 0, prompt=250, answer=1), 0.0)
    while engine.next_time < float("inf"):
        engine.work()
    assert ended == [pytest.approx(2.5)]


@pytest.mark.parametrize("policy", ["chains", "lock-step", "queue of 32", "all at once"])
@pytest.mark.parametrize("workers", [1, 3])
def test_every_policy_does_all_the_work_below_the_limit(policy: Any, workers: int) -> None:
    from racing.simulation import simulate

    outcome = simulate(policy, shape(), work(queries=120, shard=10), workers, 0.002)
    assert outcome.windows_per_second == pytest.approx(120 * 9 / outcome.seconds)
    assert 0.2 < outcome.of_limit <= 1.0
    assert 0.2 < outcome.busy <= 1.0
    assert 0.0 < outcome.tail_seconds <= outcome.seconds


def test_barriers_and_hosts_that_prepare_behind_them_cost_time() -> None:
    from racing.simulation import simulate

    asked = work(queries=64)
    chains = simulate("chains", shape(), asked, 1, 0.005)
    steps = simulate("lock-step", shape(), asked, 1, 0.005)
    assert chains.seconds < steps.seconds
    free = simulate("lock-step", shape(), asked, 1, 0.0)
    # Nine times, 64 prompts are prepared while the engine waits.
    assert steps.seconds - free.seconds == pytest.approx(9 * 64 * 0.005, rel=0.01)


def test_more_shards_feed_more_workers() -> None:
    from racing.simulation import simulate

    few, many = (
        simulate("chains", shape(), work(queries=400, shard=shard), 8, 0.001) for shard in (100, 25)
    )
    # Four shards leave four of eight workers without work.
    assert few.busy < 0.5 < many.busy
    assert few.seconds > 1.3 * many.seconds


def test_windows_are_shown_as_the_finished_run_left_the_list() -> None:
    from racing.lists import shown_windows

    documents = [Document(name, "", "") for name in "abcd"]
    calls: list[dict[str, object]] = [
        {"start": 2, "end": 4, "permutation": [1, 0]},
        {"start": 0, "end": 3, "permutation": [2, 0, 1]},
        {"start": 0, "end": 2, "permutation": [0, 1]},
    ]
    shown = ["".join(d.doc_id for d in window) for window in shown_windows(documents, calls)]
    assert shown == ["cd", "abd", "da"]


def test_lists_hold_passages_of_different_grades_and_are_the_same_each_time(tmp_path: Path) -> None:
    from racing.lists import read_lists, write_lists

    for folder in ("one", "two"):
        write_lists(tmp_path / folder, 2, 4)
    one, two = (list(read_lists(tmp_path / folder)) for folder in ("one", "two"))
    assert one == two
    assert [query.query_id for query, _ in one] == ["q0000", "q0001"]
    for _, documents in one:
        assert len({d.text.split()[0] for d in documents}) == len(documents) == 100
    assert RunDirectory(tmp_path / "one").shard_paths("candidates")


def test_digits_that_a_cut_leaves_are_a_passage_only_to_rank_llm() -> None:
    from racing.permutations import differing, read_as_rank_llm

    from rankgen.generator.answers.permutation import ReadingRules, parse_permutation

    rules = ReadingRules(least_named=0.0)
    for text in ("[2] > [2] > [3", "[9] > [3] > [1]", "[3] > [1] > [2]"):
        ours = parse_permutation(text, 3, cut_by_length=True, rules=rules).permutation
        theirs = tuple(read_as_rank_llm(text, 3))
        assert (ours == theirs) == (not text.endswith("[3")), text
    assert read_as_rank_llm("[2] > [2] > [3", 3) == [1, 2, 0]
    assert differing({"a": ["x", "y"], "b": ["x"]}, {"a": ["y", "x"], "c": []}) == ["a", "b", "c"]


def test_measures_count_processor_time_between_the_marks_by_kind(tmp_path: Path) -> None:
    from racing.measures import Measures, measured, processor_seconds

    path = tmp_path / "measures.jsonl"
    measures = Measures(path, os.getpid())
    measures.mark("begin")
    end = time.process_time() + 0.2
    while time.process_time() < end:
        random.random()
    measures.mark("end")
    began = json.loads(path.read_text().splitlines()[0])["time"]
    with path.open("a") as file:
        for after, running in ((0.0, 2.0), (0.01, 4.0), (0.03, 0.0)):
            row = {"time": began + after, "running": running, "waiting": 1.0}
            file.write(json.dumps({**row, "thread_seconds": 0.0}) + "\n")
    found = measured(path, 10)
    assert 10 <= found["driver_ms"] <= 40
    assert found["outside_ms"] == pytest.approx(found["driver_ms"], abs=0.01)
    assert found["engine_ms"] == found["ray_ms"] == 0.0
    assert found["running"] == pytest.approx((2 * 0.01 + 4 * 0.02) / 0.03, rel=0.01)
    assert set(processor_seconds(os.getpid())) == {"driver", "worker", "engine", "ray"}


def test_ratios_are_taken_within_rounds_and_figures_are_medians() -> None:
    from racing.occupancy_plot import occupancy_svg
    from racing.summary import MEDIANS, summary

    def row(system: str, number: int, seconds: float) -> dict[str, Any]:
        figures = dict.fromkeys(MEDIANS, 1.0) | {"seconds": seconds}
        occupancy = [[0.0, 1.0, 0.0], [seconds, 3.0, 0.0]]
        asked = {"system": system, "queries": 16, "round": number, "occupancy": occupancy}
        return asked | figures

    rows = [
        row(system, number, seconds)
        for number, pair in enumerate(((10.0, 15.0), (20.0, 22.0), (10.0, 13.0)))
        for system, seconds in zip(("rankgen", "rank-llm"), pair, strict=True)
    ]
    found = summary(rows)
    assert found["sizes"]["16"]["rankgen"]["times_rank_llm_in_rounds"] == [1.5, 1.1, 1.3]
    assert found["sizes"]["16"]["rankgen"]["times_rank_llm"] == 1.3
    assert found["sizes"]["16"]["rank-llm"]["seconds"] == 15.0
    assert [one["system"] for one in found["occupancy"]] == ["rankgen", "rank-llm"]
    assert occupancy_svg(found["occupancy"]).count("<path") == 2


def test_the_model_for_gpus_has_the_weights_that_its_operations_count(tmp_path: Path) -> None:
    import torch
    import transformers
    from racing.gpu import GPU_SHAPE, SMALL_SHAPE, make_model, share_of_peak

    causal: Any = transformers.AutoModelForCausalLM

    folder = make_model(tmp_path / "small", SMALL_SHAPE)
    assert transformers.AutoTokenizer.from_pretrained(folder).chat_template
    for place, kind in (("small", SMALL_SHAPE), ("large", GPU_SHAPE)):
        if place == "large":
            make_model(tmp_path / place, kind)
        with torch.device("meta"):
            model = causal.from_config(transformers.AutoConfig.from_pretrained(tmp_path / place))
        weights = [p.numel() for name, p in model.named_parameters() if ".layers." in name]
        norms = 2 * kind.hidden * kind.layers
        assert sum(weights) == kind.layer_weights + norms
    # A prompt of one token multiplies every weight of the layers and of the vocabulary once.
    attention = 2 * GPU_SHAPE.layers * GPU_SHAPE.heads * GPU_SHAPE.head
    vocabulary = 2 * GPU_SHAPE.hidden * GPU_SHAPE.vocabulary
    assert GPU_SHAPE.reading(1) == 2 * GPU_SHAPE.layer_weights + attention + vocabulary
    result = {
        "calibration": {"prompt_tokens": 1000.0},
        "sizes": {"16": {"limit": {"windows_per_second": 10.0}}},
    }
    peak = 40 * GPU_SHAPE.reading(1000)
    shares = share_of_peak(result, GPU_SHAPE, peak)
    assert shares["share_of_peak"] == {"16": {"limit": 0.25}}


def test_a_finished_run_gives_the_prompts_that_its_teacher_built(tmp_path: Path) -> None:
    from racing.lists import RANKER, WINDOW, finished_prompts, read_lists, write_lists

    from rankgen.generator.jobs.label.job import label
    from rankgen.generator.jobs.label.settings import LabelRunSettings
    from rankgen.generator.teachers.registry import make_prompter
    from rankgen.generator.teachers.settings import LabelSettings

    lists = tmp_path / "lists"
    write_lists(lists, 2, 4)
    teacher = LabelSettings(teacher="scripted:hash", window=WINDOW, stride=10)
    label(LabelRunSettings(candidates=lists, teacher=teacher, out=tmp_path / "run"))
    settings = LabelSettings(teacher="rankzephyr", model=str(RANKER / "model"))
    prompter = make_prompter(settings)
    found = finished_prompts(lists, tmp_path / "run", prompter)
    assert len(found) == len(set(found.values())) == 18
    query, documents = next(read_lists(lists))
    assert isinstance(query, Query)
    # The first window is the bottom of the list as it was given.
    assert found[query.query_id, 0] == prompter.build(query, documents[80:]).token_ids
    rows = RunDirectory(tmp_path / "run").read("rankings").to_pylist()
    final = next(row["doc_ids"] for row in rows if row["query_id"] == query.query_id)
    by_id = {document.doc_id: document for document in documents}
    last = [by_id[name] for name in final[:WINDOW]]
    # The last window showed what its answer put on top.
    tokens = sorted(found[query.query_id, 8])
    assert tokens == sorted(prompter.build(query, last).token_ids)
