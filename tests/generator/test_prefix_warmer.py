"""The known half of the next window, read in advance: the same tokens, the same rankings."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from rankgen.generator.answers.outcomes import TokenUsage
from rankgen.generator.answers.query_outcomes import QueryRanking
from rankgen.generator.engines.base import EnginePrompt, Generation
from rankgen.generator.jobs.label.flow import Flow
from rankgen.generator.prompts.profiles import PROFILES, ChatMessage
from rankgen.generator.strategies.chain import Chain
from rankgen.generator.strategies.ranking import rank_chain
from rankgen.generator.strategies.shape import Shape
from rankgen.generator.teachers import prefix_warmer
from rankgen.generator.teachers.listwise import ListwiseTeacher
from rankgen.generator.teachers.prefix_warmer import PrefixWarmer
from rankgen.generator.teachers.registry import make_prompter
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Document, Query

MODEL = Path(__file__).parents[1] / "fixtures" / "tiny_ranker" / "model"
WORDS = ["salt", "melts", "ice", "[3]", "rivers;", "caf\u00e9", "\u201cquoted\u201d", "12.5", "%"]
WORDS += ["of", "&amp;", "it's", "u.s.", "\u6f22\u5b57", "</s>", "Zeus", "'60s", "(so)"]


class HashEngine:
    """Answers with a ranking that depends on every token of the prompt; keeps prefixes."""

    repeatable = True

    def __init__(self, load: Mapping[str, float] | None = None) -> None:
        self.prompts = list[tuple[int, ...]]()
        self.warmed = list[tuple[int, ...]]()
        self.load = load or {}
        self.keeps_prefixes = True

    def wants_merged_system(self, messages: Sequence[ChatMessage]) -> bool:
        return False

    async def generate(self, prompt: EnginePrompt, max_tokens: int) -> Generation:
        for _ in range(20 if self.load else 1):
            await asyncio.sleep(0)
        self.prompts.append(prompt.token_ids)
        size = 20
        while f"[{size}] " not in prompt.messages[-1].content:
            size -= 1
        seed = hashlib.sha256(repr(prompt.token_ids).encode()).digest()
        order = random.Random(seed).sample(range(1, size + 1), size)
        text = " > ".join(f"[{number}]" for number in order)
        return Generation(text, None, "stop", TokenUsage(len(prompt.token_ids), 5 * size - 10))

    async def warm(self, token_ids: Sequence[int]) -> None:
        self.warmed.append(tuple(token_ids))
        if len(self.warmed) % 7 == 0:
            raise RuntimeError("the engine refuses")

    def gauges(self) -> Mapping[str, float]:
        return self.load

    async def close(self) -> None:
        pass

    def facts(self) -> Mapping[str, str]:
        return {}


def settings(**more: object) -> LabelSettings:
    asked = {"teacher": "rankzephyr", "model": str(MODEL), "tokenizer": "rankzephyr", **more}
    return LabelSettings.model_validate(asked).resolved()


def teacher_of(engine: HashEngine) -> ListwiseTeacher:
    return ListwiseTeacher(settings(), make_prompter(settings()), engine)


def documents(count: int, seed: int, words: int = 12) -> list[Document]:
    draw = random.Random(seed)
    return [Document(f"d{n}", "", " ".join(draw.choices(WORDS, k=words))) for n in range(count)]


async def _ranked(
    teacher: ListwiseTeacher, depths: Sequence[int], warmer: PrefixWarmer | None
) -> list[QueryRanking]:
    chains = [
        Chain(Query(f"q{n}", f"what is {n}"), documents(depth, n), teacher, ahead=warmer)
        for n, depth in enumerate(depths)
    ]
    found = await asyncio.gather(
        *(rank_chain(chain, "sliding", Shape(20, 10), passes=2) for chain in chains)
    )
    if warmer is not None:
        await warmer.close()
    return found


def test_what_is_read_in_advance_changes_no_ranking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_warmer, "DELAY_SECONDS", 0)
    depths = [100, 95, 21, 20, 7, 1, *[100] * 24]
    load = {"engine_requests_waiting": 0.0, "engine_kv_cache_usage": 0.1}
    off, on = HashEngine(), HashEngine(load)
    without = asyncio.run(_ranked(teacher_of(off), depths, None))
    teacher = teacher_of(on)
    flow = Flow(teacher, 256)
    warmer = flow.warmer()
    assert warmer is not None
    found = asyncio.run(_ranked(teacher, depths, warmer))
    assert found == without
    assert sorted(on.prompts) == sorted(off.prompts)
    assert len(on.prompts) > 450
    counts = warmer.counts
    assert counts.prefixes_warmed == counts.prefixes_met == len(on.warmed)
    # Every window but the last of a pass has a next one.
    assert len(on.warmed) == len(on.prompts) - 2 * (len(depths) - 1)
    assert counts.prefixes_missed == 0
    assert counts.prefix_tokens_warmed == sum(map(len, on.warmed))
    # About half of each prompt, and nothing beyond what the next one begins with.
    assert counts.prefix_tokens_warmed > 0.4 * sum(map(len, on.prompts[: len(on.warmed)]))


@pytest.mark.parametrize(
    ("load", "waiting"),
    [
        ({"engine_requests_waiting": 1.0, "engine_kv_cache_usage": 0.1}, 0),
        ({"engine_requests_waiting": 0.0, "engine_kv_cache_usage": 0.6}, 0),
        ({"engine_requests_waiting": 0.0, "engine_kv_cache_usage": 0.1}, 1),
        ({}, 0),
    ],
)
def test_a_busy_engine_reads_nothing_in_advance(
    load: dict[str, float], waiting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefix_warmer, "DELAY_SECONDS", 0)
    # Without a load, it answers at once and tells nothing.
    engine = HashEngine(load)

    async def run() -> None:
        teacher = teacher_of(engine)
        flow = Flow(teacher, 1)
        async with flow.gate.passed(0, 1):
            if waiting:
                outside = asyncio.create_task(flow.gate.passed(0, 1).__aenter__())
                await asyncio.sleep(0)
            await _ranked(teacher, [100], flow.warmer())
            if waiting:
                outside.cancel()

    asyncio.run(run())
    assert len(engine.prompts) == 18
    assert not engine.warmed


def test_an_engine_that_keeps_nothing_has_no_warmer() -> None:
    engine = HashEngine()
    engine.keeps_prefixes = False
    assert teacher_of(engine).warmer(lambda: True) is None


def test_a_window_that_is_over_at_once_needs_no_next_one() -> None:
    engine = HashEngine()
    teacher = teacher_of(engine)
    warmer = teacher.warmer(lambda: True)
    asyncio.run(_ranked(teacher, [100], warmer))
    assert not engine.warmed


@pytest.mark.parametrize("prompt", [*PROFILES, "rank-llm"])
@pytest.mark.parametrize("tokenizer", ["rankzephyr", str(MODEL)])
def test_prompts_begin_with_the_prefix_of_their_first_passages(prompt: str, tokenizer: str) -> None:
    names = [prompt]
    if prompt == "rank-llm":
        pytest.importorskip("rank_llm")
        names = ["rank-llm:rank_gpt", "rank-llm:rank_lrl", "rank-llm:rank_zephyr_alpha"]
    for name in names:
        asked = settings(teacher="listwise", prompt=name, tokenizer=tokenizer, context_size=8192)
        prompter = make_prompter(asked)
        warmer = PrefixWarmer(prompter, HashEngine(), lambda: True)
        for size, known, seed in [(20, 10, 1), (20, 1, 2), (15, 5, 3), (7, 6, 4)]:
            shown = documents(size, seed)
            prefix = warmer.prefix(Query("q", "why?"), shown[:known], size)
            for others in (shown[known:], documents(size - known, 99)):
                ids = prompter.build(Query("q", "why?"), [*shown[:known], *others]).token_ids
                assert ids[: len(prefix)] == prefix
            # All of the known passages: a word is a token or more.
            assert len(prefix) > 12 * known, name


def test_a_prompt_that_will_be_cut_is_not_read_in_advance() -> None:
    prompter = make_prompter(settings(context_size=1200))
    warmer = PrefixWarmer(prompter, HashEngine(), lambda: True)
    long = documents(10, 1, words=300)
    assert warmer.prefix(Query("q", "why?"), long, 20) == ()


async def _missed() -> PrefixWarmer:
    engine = HashEngine()
    warmer = PrefixWarmer(make_prompter(settings()), engine, lambda: True)
    query, shown = Query("q", "why?"), documents(20, 1)
    await warmer._warm(query, shown[:10], 20)
    # The window that follows begins with other passages.
    warmer.begin(query, shown[::-1], [], 0)()
    return warmer


def test_a_prefix_that_the_next_prompt_does_not_have_is_counted() -> None:
    counts = asyncio.run(_missed()).counts
    assert (counts.prefixes_warmed, counts.prefixes_met, counts.prefixes_missed) == (1, 0, 1)
    assert counts.as_facts()["prefix_tokens_warmed"] > 100
