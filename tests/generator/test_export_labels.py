"""Exports of label runs: what the teacher saw, runs that are not finished, failed queries."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from export_runs import exported, rows_of
from faulty_server import Reply, answer, serving
from forms_read import lists_in
from one_shard import QUERIES, WINDOWS, OneShard, clean, labelled, orders
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import IncompleteRun, UsageError

# A teacher that moves the passage at each place of its window to another.
TEACHER = {"teacher": "listwise", "model": "m", "window": 4, "stride": 2}


def test_stored_windows_are_the_prompts_that_the_teacher_was_sent(tmp_path: Path) -> None:
    def reply(request: dict[str, object], seen: int) -> Reply:
        del request, seen
        return answer("[2] > [4] > [1] > [3]")

    with serving(reply) as server:
        values = TEACHER | {"base_url": server.url, "prompt_profile": "rank_llm-0.12"}
        shard = OneShard(tmp_path, LabelSettings.model_validate(values))
        shard.filled(0, *QUERIES)
        shard.commit()
        assert shard.is_clean()
        sent = [
            request["messages"][-1]["content"]
            for _, request in server.requests
            if "question" in json.dumps(request)
        ]
    run = shard.run.root
    done = exported("rank-llm-training", run, tmp_path / "x.jsonl")
    assert done.rows == len(QUERIES) * WINDOWS
    rows = rows_of(tmp_path / "x.jsonl")
    prompts = [row["conversations"][1]["value"] for row in rows]
    assert sorted(prompts) == sorted(sent)
    answers = {row["conversations"][2]["value"] for row in rows}
    assert answers == {"[2] > [4] > [1] > [3]"}
    first = rows[0]
    assert first["id"] == "a_0_0"
    # The first window is that of the last passages.
    assert first["docids"] == ["d2", "d3", "d4", "d5"]
    lists, _ = lists_in("rank-llm-training", tmp_path / "x.jsonl")
    assert lists[1].doc_ids == tuple(orders(shard.run)["a"][:4])
    # Another wording is another prompt.
    exported("rank-llm-training", run, tmp_path / "y.jsonl", prompt_profile="rank_llm-0.25")
    assert rows_of(tmp_path / "y.jsonl")[0]["conversations"] != first["conversations"]


def test_prompts_of_a_strategy_with_votes_are_those_that_were_sent(tmp_path: Path) -> None:
    def reply(request: dict[str, object], seen: int) -> Reply:
        del seen
        (found,) = set(re.findall(r"(\d+) passages, each", json.dumps(request))) or {"3"}
        return answer(" > ".join(f"[{number}]" for number in range(int(found), 0, -1)))

    with serving(reply) as server:
        values = {"teacher": "listwise", "model": "m", "base_url": server.url, "window": 4}
        more = {"strategy": "tdpart", "top": 2, "shuffle": 2, "prompt": "rank_llm-0.12"}
        shard = OneShard(tmp_path, LabelSettings.model_validate(values | more))
        shard.filled(0, *QUERIES)
        shard.commit()
        assert shard.is_clean()
        bodies = [request for _, request in server.requests if "question" in json.dumps(request)]
        sent = [request["messages"][-1]["content"] for request in bodies]
    exported(
        "rank-llm-training", shard.run.root, tmp_path / "x.jsonl", prompt_profile="rank_llm-0.12"
    )
    rows = rows_of(tmp_path / "x.jsonl")
    # Two votes of a few passages may show them alike, and then the journal knows the answer.
    assert {row["conversations"][1]["value"] for row in rows} == set(sent)
    assert len(rows) >= len(set(sent)) > 2 * len(QUERIES)


def test_whole_lists_and_shuffled_ones(tmp_path: Path) -> None:
    with labelled(tmp_path, lambda query, seen: clean()) as shard:
        shard.filled(0, *QUERIES)
        shard.commit()
        assert shard.is_clean()
    run, final = shard.run.root, orders(shard.run)

    def chats(**more: object) -> list[tuple[list[str], list[str]]]:
        out = tmp_path / "x.jsonl"
        exported("rank-llm-training", run, out, overwrite=True, layout="messages", **more)
        found, _ = lists_in("rank-llm-training", out)
        assert [ranked.query_id for ranked in found] == ["a", "b"]
        return [(list(ranked.first_stage or ()), list(ranked.doc_ids)) for ranked in found]

    for shown, order in chats(prompts="list"):
        assert (shown, order) == ([f"d{n}" for n in range(6)], final["a"])
    # The depth is that of the first stage.
    shown, order = chats(depth=3)[0]
    assert shown == ["d0", "d1", "d2"]
    assert order == [doc_id for doc_id in final["a"] if doc_id in shown]
    one, other = chats(prompts="shuffled", depth=4)
    assert one[1] == other[1] == final["a"][:4]
    assert one[0] != other[0]
    assert sorted(one[0]) == sorted(one[1])
    assert chats(prompts="shuffled", depth=4) == [one, other]
    assert chats(prompts="shuffled", depth=4, seed=1) != [one, other]
    with pytest.raises(UsageError, match="cannot be cut to a depth"):
        chats(prompts="stored", depth=3)


def test_repaired_answers_are_not_taught(tmp_path: Path) -> None:
    def behave(query: str, seen: int) -> Reply:
        return answer("[4] > [3] > [2]") if query == "a" else clean()

    with labelled(tmp_path, behave) as shard:
        shard.filled(0, *QUERIES)
        shard.commit()
        assert shard.is_clean()
    done = exported("rank-llm-training", shard.run.root, tmp_path / "x.jsonl")
    assert {row["id"] for row in rows_of(tmp_path / "x.jsonl")} == {"b_0_0", "b_0_1"}
    assert done.counts == {"windows_repaired_left_out": WINDOWS}


def test_a_run_that_is_not_finished(tmp_path: Path) -> None:
    with labelled(tmp_path, lambda query, seen: clean()) as shard:
        shard.filled(0, *QUERIES)
        shard.commit()
    run = shard.run.root
    with pytest.raises(IncompleteRun, match="is not finished: 2 of 2 queries done") as raised:
        exported("lists", run, tmp_path / "x.jsonl")
    assert raised.value.hint is not None
    assert "--partial" in raised.value.hint
    exported("lists", run, tmp_path / "x.jsonl", partial=True)
    assert len(rows_of(tmp_path / "x.jsonl")) == 2
    with pytest.raises(UsageError, match="has no texts of its queries and documents"):
        exported("tevatron", run, tmp_path / "y.jsonl", partial=True)
    command = ["export", "lists", str(run), "--out", str(tmp_path / "z.jsonl")]
    assert CliRunner().invoke(app, command).exit_code == 4


def test_failed_queries_are_told(tmp_path: Path) -> None:
    def behave(query: str, seen: int) -> Reply:
        return answer("No.") if query == "a" else clean()

    with labelled(tmp_path, behave) as shard:
        shard.filled(0, *QUERIES)
        shard.commit()
        shard.is_clean()
    out = tmp_path / "x.jsonl"
    done = CliRunner().invoke(app, ["export", "lists", str(shard.run.root), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "note: not in the file, because they failed: 1 of the run's queries" in done.output
    assert [row["query_id"] for row in rows_of(out)] == ["b"]


def test_candidates_are_lists_with_scores_of_their_own(tmp_path: Path) -> None:
    with labelled(tmp_path, lambda query, seen: clean()):
        pass
    candidates = tmp_path / "candidates"
    exported("rank-llm", candidates, tmp_path / "x.jsonl", depth=2)
    first = rows_of(tmp_path / "x.jsonl")[0]["candidates"]
    assert [(c["docid"], c["score"]) for c in first] == [("d0", 6.0), ("d1", 5.0)]
    with pytest.raises(UsageError, match="holds candidates, which no teacher has scored"):
        exported("lists", candidates, tmp_path / "y.jsonl", scores="teacher")
