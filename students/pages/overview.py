"""What a run is: what made it, what it holds, what it cost, and what a reader must know of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import JsonValue

from rankgen.manifests.publishing.origin import origin_of
from rankgen.manifests.publishing.statement import public
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.storage.public_paths import file_name, is_local_path
from rankgen.students.agreement.compare import RunFigures
from rankgen.students.pages.opened_run import OpenedRun

_DIGITS = 20


class Cost(NamedTuple):
    """What a run cost.

    Attributes:
        calls: All calls, failed ones among them; None where the run does not say.
        worker_seconds: Seconds that workers spent on its shards; None where it does not say.
        money: USD, at the prices that the run was given; None without prices.
    """

    calls: int | None
    prompt_tokens: int
    output_tokens: int
    worker_seconds: float | None
    money: float | None


class Overview(NamedTuple):
    """One run.

    Attributes:
        figures: As `rankgen compare` has them.
        planned: Planned queries; None where there is no plan.
        state: "finished", "unfinished" or "published" (without a plan).
        recipe, provenance, software: Names and values, to show as they are. The provenance is the
            first stage's recipe, where that run is still to be found, and how shards were made.
    """

    name: str
    teacher: str
    kind: str
    figures: RunFigures
    planned: int | None
    quarantined: int
    state: str
    cost: Cost
    recipe: tuple[tuple[str, str], ...]
    provenance: tuple[tuple[str, str], ...]
    software: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]


def overview_of(run: OpenedRun, figures: RunFigures) -> Overview:
    """Returns what is known of a run.

    Raises:
        IntegrityProblem: A commit record is damaged.
    """
    status = run.status
    kind = run.plan.kind if run.plan else (run.described or {}).get("kind")
    state = "published" if status is None else "finished" if status.finished else "unfinished"
    software = (run.described or {}).get("software")
    return Overview(
        name=run.name,
        teacher=run.teacher,
        kind=kind if isinstance(kind, str) else "rankings",
        figures=figures,
        planned=None if status is None else status.queries,
        quarantined=len(run.quarantined),
        state=state,
        cost=_cost(run, figures),
        recipe=_shown(run.recipe),
        provenance=_shown(_provenance(run)),
        software=_shown(software if isinstance(software, dict) else {}),
        notices=tuple(notices_of(run)),
    )


def _provenance(run: OpenedRun) -> dict[str, JsonValue]:
    origin = None if run.plan is None else origin_of(run.directory, run.plan)
    first_stage = origin.first_stage if origin else (run.described or {}).get("first_stage")
    found = {
        f"first stage: {name}": value
        for name, value in (first_stage.items() if isinstance(first_stage, dict) else ())
    }
    made = public((run.described or {}).get("environments"))
    for number, environment in enumerate(made if isinstance(made, list) else [], start=1):
        found[f"made by, {number}"] = environment
    return found


def _cost(run: OpenedRun, figures: RunFigures) -> Cost:
    prompt = run.counts.get("prompt_tokens", figures.prompt_tokens)
    output = run.counts.get("output_tokens", figures.output_tokens)
    return Cost(
        run.counts.get("calls"), prompt, output, _worker_seconds(run), _money(run, prompt, output)
    )


def _worker_seconds(run: OpenedRun) -> float | None:
    if run.plan is None:
        return None
    plan = run.plan
    records = Ledger(run.directory, plan.fingerprint, plan.shards, plan.tables).history()
    spent = [record.facts.get("seconds") for record in records]
    return sum(float(seconds) for seconds in spent if isinstance(seconds, int | float)) or None


def _money(run: OpenedRun, prompt: int, output: int) -> float | None:
    price_in, price_out = run.asked.get("price_in"), run.asked.get("price_out")
    if not isinstance(price_in, int | float) or not isinstance(price_out, int | float):
        return None
    return (prompt * price_in + output * price_out) / 1e6


def _shown(values: Mapping[str, JsonValue]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _text(value)) for name, value in values.items() if value not in (None, ""))


def _text(value: JsonValue) -> str:
    """Returns a value as people write it; paths of this machine are cut to their last part."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(held)}" for name, held in value.items())
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    # Such as recorded:/home/me/teacher.trec.
    word, colon, argument = value.partition(":")
    if colon and is_local_path(argument):
        return f"{word}:{file_name(argument)}"
    if is_local_path(value):
        return file_name(value)
    is_digest = len(value) >= 64 and " " not in value
    return f"{value[:_DIGITS]}…" if is_digest else value


def notices_of(run: OpenedRun) -> Iterator[str]:
    """Yields what is missing in a run, a sentence each without its full stop."""
    status = run.status
    if status is not None and not status.finished:
        yield (
            f"{run.name} is not finished: {status.published:,} of {status.queries:,} queries are "
            f"labelled ({status.committed:,} of {status.shards:,} shards)"
        )
    if run.quarantined:
        many = len(run.quarantined)
        yield (
            f"{many:,} {'query' if many == 1 else 'queries'} of {run.name} could not be labelled "
            "and are quarantined"
        )
    if not run.directory.has_table("documents"):
        if run.source is not None and run.source.has_table("documents"):
            yield f"the passages of {run.name} are those of its candidates, {run.source.root.name}"
        else:
            yield f"{run.name} holds no passages: only their ids are shown"
    if not run.has_windows:
        yield f"{run.name} does not say which windows led to its rankings"
