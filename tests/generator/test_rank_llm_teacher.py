"""The models of the package rank_llm as teachers: its real classes, against a local server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_up_candidates import write_run

from rankgen.generator.jobs.label.estimate import estimate
from rankgen.generator.jobs.label.job import plan_labels
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.teachers.presets import split_teacher
from rankgen.generator.teachers.rank_llm import recipe
from rankgen.generator.teachers.rank_llm_turns import Turns
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.generator.teachers.versions import versions
from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Candidates, Query
from rankgen.manifests.run.run_directory import RunDirectory

# In a process of its own: importing rank_llm changes logging and loads vLLM. Its tokenizer for
# servers is a download of tiktoken's, for which one of single bytes stands in.
SCRIPT = """
import asyncio, json, re, sys
import tiktoken, tiktoken.registry
from faulty_server import answer, serving
from rankgen.generator.answers.outcomes import TeacherFailure
from rankgen.generator.teachers.registry import make_teacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import RankgenError
from rankgen.manifests.records import Document, Query

bytes_only = {bytes([i]): i for i in range(256)}
tiktoken.registry.ENCODINGS["cl100k_base"] = tiktoken.Encoding(
    "cl100k_base", pat_str=r"[\\s\\S]", mergeable_ranks=bytes_only, special_tokens={})
SAID = {"clean": "[2] > [3] > [1]", "short": "[3] > [1]", "words": "I cannot help with that",
        "marked": "ERROR::reduce_length", "empty": ""}
PASSAGES = [Document(str(n), "", f"passage {n} of [1]") for n in range(3)]


def behave(request, tried):
    last = request["messages"][-1]["content"]
    return answer(SAID[re.search("query: (\\\\w+)", last, re.I)[1]])


async def ranked(teacher, text):
    try:
        found = await teacher.rank_window(Query("q", text), PASSAGES)
    except TeacherFailure as failure:
        return {"failure": failure.reason, "outcome": failure.outcome, "text": failure.output_text}
    return {"permutation": found.permutation, "outcome": found.outcome, "missing": found.missing,
            "usage": [found.usage.prompt, found.usage.output]}


async def main(server):
    told = {"teacher": "rank-llm:m", "base_url": server.url, "context_size": 6000}
    teacher = make_teacher(LabelSettings.model_validate(told))
    results = await asyncio.gather(*(ranked(teacher, text) for text in [*SAID, "word " * 9000]))
    found = {"results": dict(zip([*SAID, "long"], results)), "identity": dict(teacher.identity()),
             "facts": dict(teacher.facts()), "request": server.requests[0][1]}
    await teacher.close()
    for name in ("castorini/monot5-base-msmarco", "castorini/LiT5-Distill-base"):
        try:
            make_teacher(LabelSettings(teacher=f"rank-llm:{name}"))
        except RankgenError as error:
            found[name] = [error.message, error.hint]
    return found


if __name__ == "__main__":
    with serving(behave) as server:
        found = asyncio.run(main(server))
    json.dump(found, open(sys.argv[1], "w"))
"""


# rank_llm compiles its engine, which takes longer on a CPU than all of the rest.
VLLM_SCRIPT = """
import asyncio, json, os, random, sys
from functools import partial
from pathlib import Path
import vllm
from rankgen.generator.answers.outcomes import TeacherFailure
from rankgen.generator.teachers.registry import make_teacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Document, Query
from rankgen.retrieval.collections.docstrings import read_docstrings

EAGER = {"enforce_eager": True, "dtype": "float32", "max_model_len": 4096}
LLM = vllm.LLM
vllm.LLM = lambda **asked: LLM(**{**asked, **EAGER})


async def main(fixture):
    grades = (fixture / "grades.txt").read_text().split()
    told = {"teacher": f"rank-llm:{fixture / 'model'}", "cpu_kv_cache_gib": 1}
    teacher = make_teacher(LabelSettings.model_validate(told))
    chosen = [random.Random(n).sample(range(len(grades)), 20) for n in range(4)]
    texts = sorted(doc.body for doc in read_docstrings() if len(doc.body.split()) > 30)
    chance = random.Random(7)
    asked = [[Document(str(g), "", f"{grades[g]} {' '.join(chance.choice(texts).split()[:30])}")
              for g in one] for one in chosen]
    query = Query("q", "the order of the words")
    windows = (teacher.rank_window(query, one) for one in asked)
    given = await asyncio.gather(*windows, return_exceptions=True)
    found = [one for one in given if not isinstance(one, TeacherFailure)]
    return {"class": teacher.identity()["class"], "failed": len(given) - len(found),
            "outcomes": [one.outcome for one in found],
            "usage": [[one.usage.prompt, one.usage.output] for one in found],
            "orders": [[chosen[n][place] for place in one.permutation]
                       for n, one in enumerate(given) if one in found]}


if __name__ == "__main__":
    json.dump(asyncio.run(main(Path(sys.argv[1]))), open(sys.argv[2], "w"))
    sys.stdout.flush()
    os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("unbound_vllm")
def test_a_ranker_is_asked_by_rank_llms_own_vllm(tmp_path: Path) -> None:
    for package in ("rank_llm", "vllm"):
        pytest.importorskip(package)
    fixture = Path(__file__).parents[1] / "fixtures" / "tiny_ranker"
    (tmp_path / "script.py").write_text(VLLM_SCRIPT)
    arguments = [sys.executable, tmp_path / "script.py", fixture, tmp_path / "found.json"]
    run = subprocess.run(
        arguments, capture_output=True, text=True, env=_environment(), timeout=1100
    )
    assert run.returncode == 0, run.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["class"] == "RankListwiseOSLLM"
    # The tiny ranker answers one window in ten without a ranking.
    assert found["failed"] <= 1
    # The tokens of a ranking of 20, as rank_llm counts and forces them.
    assert {output for _, output in found["usage"]} == {90}
    right = [
        sum(one[i] < one[j] for i in range(20) for j in range(i + 1, 20)) for one in found["orders"]
    ]
    assert sum(right) / len(right) > 0.9 * 190, found["outcomes"]


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What rank_llm and our parser made of a server's answers."""
    for package in ("rank_llm", "vllm", "tiktoken", "openai"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("rank_llm")
    (folder / "script.py").write_text(SCRIPT)
    run = subprocess.run(
        [sys.executable, folder / "script.py", folder / "found.json"],
        capture_output=True,
        text=True,
        env=_environment(),
        timeout=280,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout == ""
    found: dict[str, object] = json.loads((folder / "found.json").read_text())
    return found


def _environment() -> dict[str, str]:
    import os

    tests = str(Path(__file__).parent)
    source = str(Path(__file__).parents[2] / "src")
    return {**os.environ, "PYTHONPATH": f"{tests}:{source}"}


def test_answers_are_read_by_our_parser(answered: dict[str, dict[str, dict[str, Any]]]) -> None:
    results = answered["results"]
    clean, short = results["clean"], results["short"]
    assert (clean["permutation"], clean["outcome"]) == ([1, 2, 0], "ok")
    assert (short["permutation"], short["outcome"], short["missing"]) == ([2, 0, 1], "repaired", 1)
    prompt, output = clean["usage"]
    assert prompt > 500
    assert output == len("[2] > [3] > [1]")


def test_what_is_no_answer_is_never_a_label(
    answered: dict[str, dict[str, dict[str, object]]],
) -> None:
    results = answered["results"]
    assert results["words"]["outcome"] == "malformed"
    assert results["words"]["text"] == "I cannot help with that"
    assert results["marked"]["failure"] == "rank_llm's call failed: ERROR::reduce_length"
    assert results["empty"]["failure"] == "rank_llm's call failed"
    assert results["long"]["failure"] == "the query is too long for rank_llm's prompts"


def test_the_prompt_is_rank_llms_own(answered: dict[str, dict[str, object]]) -> None:
    messages = answered["request"]["messages"]
    assert isinstance(messages, list)
    assert messages[0]["content"].startswith("You are RankGPT")
    assert answered["identity"]["class"] == "SafeOpenai"
    assert answered["facts"]["rank_llm"] == answered["identity"]["rank_llm"]


def test_other_models_are_named(answered: dict[str, list[str]]) -> None:
    message, hint = answered["castorini/monot5-base-msmarco"]
    assert message == "castorini/monot5-base-msmarco is asked without rank_llm"
    assert hint == "--teacher pointwise --model castorini/monot5-base-msmarco"
    if "castorini/LiT5-Distill-base" in answered:
        assert "LiT5" in answered["castorini/LiT5-Distill-base"][0]


class Batched:
    """Stands for a vLLM coordinator: it blocks, and takes windows of one size together."""

    _vllm_handler = object()

    def __init__(self) -> None:
        self.batches: list[list[object]] = []

    def create_prompt(self, result: str, start: int, end: int) -> tuple[str, int]:
        return f"{result} {start} {end}", 5

    def run_llm_batched(
        self, prompts: list[str], current_window_size: int
    ) -> list[tuple[str, int]]:
        self.batches.append([current_window_size, *prompts])
        if "bad" in prompts[0]:
            raise RuntimeError("it broke")
        return [(prompt, current_window_size) for prompt in prompts]


def test_windows_that_wait_are_asked_together() -> None:
    import asyncio

    model = Batched()
    turns = Turns(model, 8)

    async def ask(name: str, k: int) -> object:
        prompt, _ = await turns.prompt(name, k)
        return (await turns.answer(prompt, k))[0]

    async def main() -> list[object]:
        asked = [ask(f"w{n}", 3 + n % 2) for n in range(6)] + [ask("bad", 9)]
        return await asyncio.gather(*asked, return_exceptions=True)

    found = asyncio.run(main())
    assert found[:6] == [f"w{n} 0 {3 + n % 2}" for n in range(6)]
    assert isinstance(found[6], RuntimeError)
    assert len(model.batches) < 7
    assert all(len({prompt[-1] for prompt in batch[1:]}) == 1 for batch in model.batches)  # type: ignore[index]  # of any prompts


def test_a_run_is_known_by_the_model_and_the_version(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert str(recipe(str(tmp_path))["model"]).startswith("sha256:")
    assert recipe("gpt-4o") == {"teacher": "rank-llm", "model": "gpt-4o"}
    settings = LabelSettings(teacher="rank-llm:gpt-4o").resolved()
    assert (settings.window, settings.stride) == (20, 10)
    assert versions(settings)["rank-llm"] is not None
    queries, lists = [Query("q", "what")], [Candidates("q", ("d0", "d1"), (1.0, 0.0))]
    source = RunDirectory(tmp_path / "candidates")
    write_run(source, lists, queries, {"d0": "one", "d1": "two"})
    asked = LabelRunSettings(candidates=source.root, out=tmp_path / "run", teacher=settings)
    plan, _ = plan_labels(asked)
    assert plan.recipe["model"] == "gpt-4o"
    assert plan.recipe["versions.rank-llm"] == versions(settings)["rank-llm"]
    assert estimate(asked, 1.0).calls == 1
    with pytest.raises(UsageError, match="needs MODEL after a colon"):
        split_teacher("rank-llm")
    with pytest.raises(UsageError, match="no use for --prompt"):
        LabelSettings(teacher="rank-llm:gpt-4o", prompt="rank_llm-0.25").resolved()
