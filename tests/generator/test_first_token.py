"""FIRST as a teacher: the order of a window from the log-probabilities of one token."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from faulty_server import Reply, answer, serving
from one_shard import QUERIES, WINDOWS, OneShard, orders

from rankgen.generator.answers.first_token import letter_scores
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import EnvironmentProblem, UsageError

pytest.importorskip("openai")
pytest.importorskip("rank_llm")

Body = dict[str, object]
Tokens = list[list[tuple[str, float]]]


def of_letters(*places: int) -> list[tuple[str, float]]:
    """Gives the passages at these places, best first, falling log-probabilities."""
    return [(chr(ord("A") + place), -0.5 - rank) for rank, place in enumerate(places)]


def replied(tokens: Tokens) -> Reply:
    """An answer of a chat server that was asked for alternatives."""
    body = json.loads(str(answer("[B", "length").body))
    content = [
        {
            "token": token[0][0],
            "logprob": token[0][1],
            "top_logprobs": [{"token": text, "logprob": score} for text, score in token],
        }
        for token in tokens
    ]
    body["choices"][0]["logprobs"] = {"content": content}
    return Reply(body=json.dumps(body))


def shard_of(root: Path, url: str, **more: object) -> OneShard:
    values = {"teacher": "first", "model": "m", "base_url": url, "window": 4, "stride": 2}
    return OneShard(root, LabelSettings.model_validate(values | more))


def by_number(body: Body) -> Reply:
    """Prefers the passages with the greatest numbers."""
    content = json.dumps(body["messages"])
    numbers = [int(n) for n in re.findall(r"\[[A-Z]\] text of d(\d)", content)]
    best = sorted(range(len(numbers)), key=lambda place: -numbers[place])
    return replied([[("[", -0.01)], of_letters(*best)])


def test_one_token_orders_a_window(tmp_path: Path) -> None:
    with serving(lambda body, seen: by_number(body)) as server:
        shard = shard_of(tmp_path, server.url)
        shard.filled(0, *QUERIES)
        shard.commit()
        assert shard.is_clean()
        asked = [body for _, body in server.requests if "top_logprobs" in body]
    assert len(asked) == len(QUERIES) * WINDOWS
    assert {(body["logprobs"], body["top_logprobs"], body["max_tokens"]) for body in asked} == {
        (True, 20, 2)
    }
    # Sliding windows of 4 by 2 over d0 to d5 bring the best two to the top.
    assert orders(shard.run)["a"] == ["d5", "d4", "d1", "d0", "d3", "d2"]
    # Log-probabilities of different windows do not compare.
    assert shard.run.read("rankings")["teacher_scores"].null_count == len(QUERIES)
    lines = [line for path in shard.run.journal.glob("*/*.jsonl") for line in path.open()]
    first = json.loads(lines[0].partition(" ")[2])
    assert first["scores"] == [-3.5, -2.5, -1.5, -0.5]


def test_a_list_of_one_window_keeps_its_scores(tmp_path: Path) -> None:
    with serving(lambda body, seen: by_number(body)) as server:
        shard = shard_of(tmp_path, server.url, window=6, stride=6)
        shard.filled(0, *QUERIES)
        shard.commit()
        # Read from the journal, they are the same.
        again = shard_of(tmp_path, server.url, window=6, stride=6)
        calls = len(server.requests)
        again.filled(0, *QUERIES)
        assert len([1 for _, b in server.requests[calls:] if "top_logprobs" in b]) == 0
    row = shard.run.read("rankings").to_pylist()[0]
    assert row["doc_ids"] == [f"d{n}" for n in (5, 4, 3, 2, 1, 0)]
    assert row["teacher_scores"] == [-0.5, -1.5, -2.5, -3.5, -4.5, -5.5]


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [
        ([of_letters(1, 0, 2)], "log-probabilities of 3 of 4 passages"),
        ([[("Sure", -0.1), ("B", -3.0)]], "but with 'Sure'"),
        ([[("[", -0.1)]], "names no passage"),
        ([[("E", -0.1), *of_letters(0, 1, 2, 3)]], "but with 'E'"),
    ],
)
def test_what_is_no_order_of_all_passages_is_no_label(
    tmp_path: Path, tokens: Tokens, reason: str
) -> None:
    with serving(lambda body, seen: replied(tokens)) as server:
        shard = shard_of(tmp_path, server.url)
        shard.filled(0, QUERIES[0], QUERIES[1])
        record = shard.commit()
    assert list(record.quarantined) == ["a", "b"]
    assert reason in record.quarantined["a"]


def test_a_server_without_log_probabilities_is_one_sentence(tmp_path: Path) -> None:
    with (
        serving(lambda body, seen: answer("[B]")) as server,
        pytest.raises(EnvironmentProblem, match="does not give the log-probabilities"),
    ):
        shard_of(tmp_path, server.url).filled(0, *QUERIES)


@pytest.mark.parametrize("around", ["{}", " {}", "\u2581{}", "\u0120{}", "[{}"])
def test_tokens_are_read_as_tokenizers_write_them(around: str) -> None:
    tokens = [(around.format(letter), score) for letter, score in of_letters(2, 0, 1)]
    assert letter_scores([tokens], 3) == (-1.5, -2.5, -0.5)
    # The likelier spelling counts.
    assert letter_scores([[*tokens, ("A", -9.0)]], 3) == (-1.5, -2.5, -0.5)


def test_equal_probabilities_keep_the_order_of_the_window(tmp_path: Path) -> None:
    with serving(lambda body, seen: replied([[(x, -1.0) for x in "DCBA"]])) as server:
        shard = shard_of(tmp_path, server.url)
        shard.filled(0, *QUERIES)
        shard.commit()
    assert orders(shard.run)["a"] == [f"d{n}" for n in range(6)]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"base_url": None}, "needs a server"),
        ({"window": 21}, "at most 20 passages"),
        ({"prompt": "rank_llm-0.25"}, "needs a prompt with letters"),
        ({"max_output_tokens": 9}, "no use for --max-output-tokens"),
    ],
)
def test_what_contradicts_it_is_refused(more: dict[str, object], message: str) -> None:
    values = {"teacher": "first", "base_url": "http://127.0.0.1:1", **more}
    resolve: Callable[[], object] = LabelSettings.model_validate(values).resolved
    with pytest.raises(UsageError, match=message):
        resolve()
