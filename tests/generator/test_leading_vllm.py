"""vLLM itself: every saving of an answer gives the orders of whole answers, window by window.

All windows are asked for in every way from one engine. The tiny ranker orders passages by the grade
word in front of each; at twenty passages about one of its answers in four has a fault.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from test_engines_vllm import random_mistral

pytest.importorskip("vllm")

pytestmark = pytest.mark.usefixtures("unbound_vllm")

FIXTURE = Path(__file__).parents[1] / "fixtures" / "tiny_ranker"
Answers = dict[str, list[dict[str, Any]]]

# In a process of its own: vLLM starts further processes and keeps global state.
SCRIPT = """
import asyncio, copy, json, os, random, sys
from rankgen.generator.answers.outcomes import TeacherFailure
from rankgen.generator.engines.vllm.arguments import VllmSettings
from rankgen.generator.engines.vllm.engine import VllmEngine
from rankgen.generator.teachers.listwise import ListwiseTeacher
from rankgen.generator.teachers.registry import make_prompter
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Document, Query

folder, grades, count, k, ways, settings, out = sys.argv[1:]
count, k, ways, settings = int(count), int(k), json.loads(ways), json.loads(settings)
WORDS = "salt ice water the of melts when snow and on".split()


def windows():
    chance = random.Random(0)
    known = open(grades).read().split()
    for number in range(count):
        texts = [" ".join([word, *chance.choices(WORDS, k=5)]) for word in chance.sample(known, k)]
        documents = [Document(f"d{place}", "", text) for place, text in enumerate(texts)]
        yield Query(f"q{number}", "what melts ice"), documents


async def answer(teacher, engine, query, documents, first):
    asked = []

    class Recorded:
        repeatable = True

        async def generate(self, prompt, max_tokens):
            found = await engine.generate(prompt, max_tokens)
            asked.append((prompt.token_ids, found.output_ids))
            return found

    own = copy.copy(teacher)
    own._engine = Recorded()
    try:
        found = await own.rank_top(query, documents, first)
        order, fault = found.permutation, [found.duplicates, found.missing, found.out_of_range]
    except TeacherFailure as failure:
        found, order, fault = failure, None, failure.reason
    written = [one for _, ids in asked for one in ids]
    return {"order": order, "outcome": found.outcome, "text": found.output_text, "fault": fault,
            "tokens": found.usage.output, "prompt": asked[0][0], "ids": written}


async def main():
    base = LabelSettings(teacher="rankzephyr", model=folder, dtype="float32")
    told = dict(model=folder, context_size=2048, dtype="float32", force_length=True, **settings)
    engine = VllmEngine(VllmSettings(**told), make_prompter(base).texts)
    by_vllm = copy.copy(engine)
    by_vllm._texts = None
    found = {}
    for name, (more, first, decodes) in ways.items():
        asked = base.model_copy(update=more).resolved()
        teacher = ListwiseTeacher(asked, make_prompter(asked), engine)
        use = by_vllm if decodes else engine
        asking = (answer(teacher, use, *window, first) for window in windows())
        found[name] = await asyncio.gather(*asking)
    found["gauges"] = engine.gauges()
    json.dump(found, open(out, "w"))
    await engine.close()


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)
"""
# Name -> settings, how many passages are needed, and whether vLLM decodes.
WHOLE: tuple[dict[str, object], int | None, bool] = ({"whole_answers": True}, None, True)


CONSTRAINED: dict[str, object] = {"constrained": True}


def answers(
    tmp_path: Path,
    model: Path,
    count: int,
    k: int,
    ways: dict[str, Any],
    settings: dict[str, object] = CONSTRAINED,
) -> Answers:
    script, out = tmp_path / "script.py", tmp_path / "out.json"
    script.write_text(SCRIPT)
    told = [model, FIXTURE / "grades.txt", count, k, json.dumps(ways), json.dumps(settings), out]
    done = subprocess.run(
        [sys.executable, str(script), *map(str, told)],
        capture_output=True,
        text=True,
        timeout=1700,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(out.read_text())
    gauges = found.pop("gauges")
    if "constrained" in settings:
        assert "engine_drafts_kept_total" not in gauges
    else:
        # Else nothing would be compared: most tokens of a ranking can be guessed.
        assert gauges["engine_drafts_kept_total"] > 0.5 * gauges["completion_tokens_total"]
        assert gauges["engine_drafts_kept_total"] > 0.6 * gauges["engine_draft_tokens_total"]
    answered: Answers = found
    return answered


def refuse_differences(
    one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]], top: int | None
) -> None:
    """Fails where an order differs, unless a near-tie of the logits explains it."""
    lines = []
    for mine, theirs in zip(one, other, strict=True):
        if theirs["order"] is None or mine["order"][:top] == theirs["order"][:top]:
            continue
        written, whole = mine["ids"], theirs["ids"]
        at = next(i for i, (a, b) in enumerate(zip(written, whole, strict=False)) if a != b)
        lead = logit_lead(mine["prompt"], whole[:at])
        print(f"output token {at}: {written[at]} or {whole[at]}, the logit leads by {lead:.3e}")
        if lead > 1e-3:
            lines.append(f"{mine['order']} is not {theirs['order']}")
    assert not lines, "\n".join(lines)


def logit_lead(prompt: list[int], written: list[int]) -> float:
    """Returns how far the best logit after a text leads the second, by transformers."""
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(FIXTURE / "model", dtype=torch.float32)
    logits = model(torch.tensor([prompt + written])).logits[0, -1]
    return float(-torch.diff(logits.topk(2).values))


def check_ways(tmp_path: Path, count: int, k: int) -> Answers:
    half = k // 2
    ways = {
        "whole": WHOLE,
        "table": ({"whole_answers": True}, None, False),
        "early": ({}, None, False),
        "top": ({}, half, False),
        "constrained": ({"constrained": True}, None, False),
        "constrained top": ({"constrained": True}, half, False),
    }
    found = answers(tmp_path, FIXTURE / "model", count, k, ways)
    print({name: Counter(one["outcome"] for one in found[name]) for name in found})
    whole = found["whole"]
    # Reading the tokens by a table changes nothing, not even the texts of faulty answers.
    assert found["table"] == whole
    for name, top in (("early", None), ("top", half)):
        refuse_differences(found[name], whole, top)
        for one, other in zip(found[name], whole, strict=True):
            if one["outcome"] != "ok":
                # It was continued, and is the whole answer.
                assert one == other
    valid = [number for number, one in enumerate(whole) if one["outcome"] == "ok"]
    assert len(valid) > count / 2
    for name, top in (("constrained", None), ("constrained top", half)):
        kept = found[name]
        assert {one["outcome"] for one in kept} == {"ok"}
        refuse_differences([kept[n] for n in valid], [whole[n] for n in valid], top)
    tokens = {name: sum(one["tokens"] for one in found[name]) for name in found}
    assert tokens["constrained top"] < tokens["top"] < tokens["early"] < tokens["whole"]
    return found


@pytest.mark.timeout(600)
def test_savings_keep_every_order(tmp_path: Path) -> None:
    check_ways(tmp_path, 60, 12)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_savings_keep_every_order_of_520_windows(tmp_path: Path) -> None:
    plain = check_ways(tmp_path, 520, 20)
    ways = {"whole": WHOLE, "early": ({}, None, False), "top": ({}, 10, False)}
    # Drafts are for engines with room in their steps.
    few: dict[str, object] = {"drafts": "on", "engine_args": {"max_num_seqs": 64}}
    drafted = answers(tmp_path, FIXTURE / "model", 520, 20, ways, few)
    for name, found in drafted.items():
        refuse_differences(found, plain[name], 10 if name == "top" else None)
        alike = sum(
            one["ids"] == other["ids"] for one, other in zip(found, plain[name], strict=True)
        )
        print(f"{name}: {alike} of {len(found)} answers have the same tokens")
        assert alike > 510


@pytest.mark.slow  # a second start of vLLM
@pytest.mark.timeout(1800)
def test_a_random_model_can_only_write_rankings(tmp_path: Path) -> None:
    model = tmp_path / "model"
    random_mistral(model)
    ways = {
        "whole": WHOLE,
        "constrained": ({"constrained": True}, None, False),
        "top": ({"constrained": True}, 3, False),
    }
    k = 12
    found = answers(tmp_path, model, 1000, k, ways)
    assert {one["outcome"] for one in found["whole"]} == {"malformed"}
    for name in ("constrained", "top"):
        assert {one["outcome"] for one in found[name]} == {"ok"}
        assert all(sorted(one["order"]) == list(range(k)) for one in found[name])
    assert len({tuple(one["order"]) for one in found["constrained"]}) > 10
    same = (
        one["order"][:3] == other["order"][:3]
        for one, other in zip(found["top"], found["constrained"], strict=True)
    )
    assert all(same)
