"""`label --dry-run`: estimates the cost of a run, and names every assumption."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from rankgen.generator.answers.outcomes import TeacherFailure, TokenUsage
from rankgen.generator.engines.cost.prices import prices_of, usd
from rankgen.generator.jobs.label.job import plan_labels
from rankgen.generator.jobs.label.pool import USUAL_CHAINS
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.jobs.label.shown_documents import ShownDocuments
from rankgen.generator.prompts.tokenizer import BUNDLED
from rankgen.generator.strategies.simulated import SimulatedCall, simulated_windows
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.generator.teachers.window_tokens import AskedInWords, WindowTokens, asked_in_words
from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Query
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.plan import read_plan
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import DocumentTexts

SAMPLED_QUERIES = 64
SECONDS_PER_HOUR = 3600.0
_NOTHING = WindowTokens(0, 0, 0)


class Estimate(BaseModel):
    """The estimated cost of a label run.

    Attributes:
        queries: Number of planned queries.
        shards: Number of planned shards.
        shards_done: How many of them are already committed.
        calls: Number of windows over all queries and passes; where it depends on the answers, as
            for lists in no order at all.
        prompt_tokens: Prompt tokens of all calls, extrapolated from the sample; 0 without an LLM.
        output_tokens: Likewise for output tokens, as an upper limit for clean answers.
        sampled_queries: Number of queries whose prompts were tokenised.
        tokenizer: The tokenizer used; None for teachers without one.
        prompt: The prompt's name; None for teachers without one.
        answers: How the prompt wants a ranking written, such as "[2] > [1] > [3]"; likewise.
        gpu_hours: All tokens divided by the assumed rate.
        tokens_per_second: The assumed rate of one GPU, prompt and output tokens together.
        rate_source: Where the rate comes from.
        cost_usd: The price of all tokens, as an upper limit; None without prices.
        max_cost_usd: The cap; None without one.
        batches: Rounds of batches that follow one another; None unless a server takes batches.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: int
    shards: int
    shards_done: int
    calls: int
    prompt_tokens: int
    output_tokens: int
    sampled_queries: int
    tokenizer: str | None
    prompt: str | None
    answers: str | None
    gpu_hours: float
    tokens_per_second: float
    rate_source: Literal["assumed"] = "assumed"
    cost_usd: float | None = None
    max_cost_usd: float | None = None
    batches: int | None = None
    requests: int | None = None

    def text(self) -> str:
        """Returns the estimate as text for the terminal."""
        lines = [
            f"queries        {self.queries:>15,}",
            f"shards         {self.shards:>15,}   ({self.shards_done:,} committed before)",
            f"calls          {self.calls:>15,}   (windows over all queries)",
        ]
        if self.tokenizer is None:
            return "\n".join(
                [*lines, "tokens                       0   (none are counted for this teacher)"]
            )
        return "\n".join(
            [
                *lines,
                *self._of_server(),
                f"answers        {self.answers:>15}   (asked for by the prompt {self.prompt})",
                f"prompt tokens  {self.prompt_tokens:>15,}   (tokenised {self.sampled_queries} "
                f"sampled queries with {self.tokenizer}, extrapolated)",
                f"output tokens  {self.output_tokens:>15,}   (upper limit for clean answers)",
                f"GPU-hours      {self.gpu_hours:>15,.2f}   (assumes "
                f"{self.tokens_per_second:,.0f} tokens/s of prompt and output on one GPU; "
                "not measured, change it with --tokens-per-second)",
            ]
        )

    def _of_server(self) -> list[str]:
        lines = []
        if self.requests is not None:
            lines.append(f"requests       {self.requests:>15,}   (several for a window)")
        if self.batches is not None:
            lines.append(f"batch rounds   {self.batches:>15,}   (each waits for the one before)")
        if self.cost_usd is not None:
            cap = "" if self.max_cost_usd is None else f"; --max-cost is {usd(self.max_cost_usd)}"
            lines.append(f"cost           {usd(self.cost_usd):>15}   (upper limit{cap})")
        return lines


def estimate(settings: LabelRunSettings, tokens_per_second: float) -> Estimate:
    """Estimates a label run; starts no engine and writes nothing.

    Args:
        settings: The settings of the run.
        tokens_per_second: The assumed rate of one GPU, prompt and output tokens together.

    Raises:
        RankgenError: The run itself would raise it before its first call.
    """
    teacher = _counting_offline(settings.teacher.resolved())
    plan, queries = plan_labels(settings)
    source = RunDirectory(settings.candidates)
    only = None if settings.only is None else frozenset(settings.only)
    lengths = [
        len(row["doc_ids"])
        for shard in source.shards("candidates", ["query_id", "doc_ids"])
        for row in shard.to_pylist()
        if only is None or row["query_id"] in only
    ]
    calls = sum(len(_windows(n, teacher)) for n in lengths)
    sample = _seeded_sample(queries)
    asked = asked_in_words(teacher)
    taken, sampled_calls = _tokens(source, teacher, asked, sample) if asked else (_NOTHING, 1)
    scale = calls / sampled_calls if sampled_calls else 0.0
    tokens = (taken.prompt + taken.output) * scale
    prices = prices_of(teacher)
    usage = TokenUsage(round(taken.prompt * scale), round(taken.output * scale))
    return Estimate(
        queries=plan.queries,
        shards=plan.shards,
        shards_done=_committed(RunDirectory(settings.out)),
        calls=calls,
        prompt_tokens=usage.prompt,
        output_tokens=usage.output,
        requests=round(taken.requests * scale) if asked and asked.has_several else None,
        sampled_queries=len(sample) if asked else 0,
        tokenizer=asked.tokenizer if asked else None,
        prompt=asked.prompt if asked else None,
        answers=asked.answers if asked else None,
        gpu_hours=tokens / tokens_per_second / SECONDS_PER_HOUR,
        tokens_per_second=tokens_per_second,
        cost_usd=None if prices is None else prices.of(usage),
        max_cost_usd=teacher.max_cost,
        batches=_rounds(settings, teacher, lengths) if teacher.api == "batch" else None,
    )


def _rounds(settings: LabelRunSettings, teacher: LabelSettings, lengths: Sequence[int]) -> int:
    """Returns the batches that follow one another: a window of each query in flight at a time."""
    counts = (len(_windows(n, teacher)) for n in lengths)
    at_once = (teacher.concurrency or USUAL_CHAINS) * (settings.workers or 1)
    return max(counts, default=0) * -(-len(lengths) // at_once)


def _counting_offline(teacher: LabelSettings) -> LabelSettings:
    """Replaces RankZephyr's tokenizer by the bundled copy, which needs no download."""
    preset = teacher.preset
    if preset.name == BUNDLED and teacher.tokenizer == preset.model:
        return teacher.model_copy(update={"tokenizer": BUNDLED})
    return teacher


def _tokens(
    source: RunDirectory, teacher: LabelSettings, asked: AskedInWords, sample: Sequence[Query]
) -> tuple[WindowTokens, int]:
    """Returns what the windows of the sampled queries take, and their number.

    The windows do not follow a teacher's answers: which passages share a window changes the sum
    only if a prompt must be cut. A query whose prompt does not fit counts up to that window; the
    run would quarantine it.

    Raises:
        UsageError: No sampled prompt fits the context.
    """
    lists, texts = CandidateLists(source), DocumentTexts(source)
    shown = ShownDocuments(teacher.chunk_rule)
    found = list[WindowTokens]()
    failure: TeacherFailure | None = None
    for query in sample:
        doc_ids = lists.of([query.query_id])[0].doc_ids
        held = texts[doc_ids]
        documents = shown.of(query, [held[doc_id] for doc_id in doc_ids])
        for call in _windows(len(doc_ids), teacher):
            window = [documents[place] for place in call.shown]
            try:
                found.append(asked.tokens(query, window, call.first))
            except TeacherFailure as error:
                failure = error
                break
    if failure and not found:
        raise UsageError(
            f"no prompt can be built: {failure}", "check --context-size, --window and --tokenizer"
        )
    return WindowTokens(*map(sum, zip(*found, strict=True))) if found else _NOTHING, len(found)


def _windows(n: int, teacher: LabelSettings) -> Sequence[SimulatedCall]:
    return simulated_windows(n, teacher.strategy, teacher.shape, teacher.passes, teacher.shuffle)


def _seeded_sample(queries: QueryTable) -> list[Query]:
    return list(itertools.islice(queries.by_place(), SAMPLED_QUERIES))


def _committed(run: RunDirectory) -> int:
    if not run.plan.exists():
        return 0
    plan = read_plan(run)
    return len(Ledger(run, plan.fingerprint, plan.shards, plan.tables).records())
