"""Real windows with and without prompts read in advance: the same rankings, half the reading."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("vllm")

pytestmark = pytest.mark.usefixtures("unbound_vllm")

FIXTURE = Path(__file__).parents[1] / "fixtures" / "tiny_ranker"
# In a process of its own: vLLM starts further processes and keeps global state.
SCRIPT = """
import asyncio, json, os, random, sys, time
from rankgen.generator.strategies.chain import Chain
from rankgen.generator.strategies.ranking import rank_chain
from rankgen.generator.strategies.shape import Shape
from rankgen.generator.teachers.registry import make_teacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Document, Query

GRADES = open(sys.argv[2]).read().split()
WORDS = "the river runs past an old town where people sell bread and wool to each other".split()


def passages(query):
    draw = random.Random(query)
    ranks = draw.sample(range(len(GRADES)), 100)
    said = [" ".join(draw.choices(WORDS, k=12)) for _ in ranks]
    return [Document(f"d{r}", "", f"{GRADES[r]} {text}.") for r, text in zip(ranks, said)]


def cached_tokens():
    from vllm.v1.metrics.reader import get_metrics_snapshot

    return sum(m.value for m in get_metrics_snapshot() if m.name == "vllm:prefix_cache_hits")


async def ranked(teacher, queries, at_once, warmer):
    assert await teacher._engine._llm.reset_prefix_cache()
    before, began, places = cached_tokens(), time.monotonic(), asyncio.Semaphore(at_once)

    async def one(query):
        async with places:
            chain = Chain(Query(query, "which?"), passages(query), teacher, ahead=warmer)
            return await rank_chain(chain, "sliding", Shape(20, 10))

    found = await asyncio.gather(*(one(f"q{n}") for n in range(queries)))
    if warmer is not None:
        await warmer.close()
    return {"cached": cached_tokens() - before, "seconds": time.monotonic() - began,
            "permutations": [[w.result.permutation for w in r.windows] for r in found],
            "tokens": [[r.usage.prompt, r.usage.output] for r in found],
            "ok": sum(w.result.outcome == "ok" for r in found for w in r.windows)}


async def main(queries, at_once):
    teacher = make_teacher(LabelSettings(teacher="rankzephyr", model=sys.argv[1], dtype="float32",
                                         cpu_kv_cache_gib=1, min_named=0))
    off = await ranked(teacher, queries, at_once, None)
    warmer = teacher.warmer(lambda: True)
    on = await ranked(teacher, queries, at_once, warmer)
    await teacher.close()
    with open(sys.argv[3], "w") as file:
        json.dump({"off": off, "on": on, "counts": warmer.counts.as_facts()}, file)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[4]), int(sys.argv[5])))
    os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_five_hundred_windows_are_ranked_alike(tmp_path: Path) -> None:
    queries = 56
    script, found_file = tmp_path / "script.py", tmp_path / "found.json"
    script.write_text(SCRIPT)
    model, grades = FIXTURE / "model", FIXTURE / "grades.txt"
    command = [sys.executable, str(script), *map(str, (model, grades, found_file, queries, 16))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(found_file.read_text())
    off, on, counts = found["off"], found["on"], found["counts"]
    print(
        {
            name: (one["cached"], round(one["seconds"], 1))
            for name, one in found.items()
            if "ok" in one
        }
    )
    assert sum(map(len, on["permutations"])) == 9 * queries > 500
    assert on["permutations"] == off["permutations"]
    # What is read in advance costs the labels nothing.
    assert on["tokens"] == off["tokens"]
    assert on["ok"] == off["ok"] > 400
    assert counts["prefixes_missed"] == 0
    assert counts["prefixes_met"] == counts["prefixes_warmed"] > 400
    prompt_tokens = sum(prompt for prompt, _ in on["tokens"])
    assert on["cached"] - off["cached"] > 0.25 * prompt_tokens
