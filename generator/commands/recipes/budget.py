"""The budget of a recipe: GPU-hours of each student, with all that it needs, and over all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from rankgen.generator.api.training_cost import SCORING_SPEED
from rankgen.generator.commands.recipes.spent import Spent
from rankgen.generator.commands.recipes.step_costs import StepCosts
from rankgen.generator.commands.recipes.step_states import State
from rankgen.manifests.counted import counted
from rankgen.manifests.recipes.recipe import Recipe, Step

FINISHED = ("done", "reused")


class Row(NamedTuple):
    """One student.

    Attributes:
        name: What the table of the recipe calls it, or else its step.
        state: How far its step is.
        own: GPU-hours of its own training; None where they are not known.
        whole: GPU-hours with all that it needs, as if nothing were there.
    """

    name: str
    state: State
    own: Spent | None
    whole: Spent


@dataclass(frozen=True)
class Budget:
    """What a recipe costs.

    Attributes:
        rows: Its students.
        all: GPU-hours of all steps, what several share counted once.
        left: Those of the steps that are not finished.
        states: Step -> its state.
        unknown: Steps whose cost is not known.
    """

    rows: tuple[Row, ...]
    all: Spent
    left: Spent
    states: Mapping[str, State]
    unknown: tuple[str, ...]


def budget_of(recipe: Recipe, costs: StepCosts, states: Mapping[str, State]) -> Budget:
    """Adds up what the steps of a recipe cost.

    Args:
        recipe: The recipe.
        costs: Has seen all of its steps.
        states: Step -> its state.
    """
    spent = {step.name: costs.spent.get(str(recipe.folder(step.name))) for step in recipe.steps}
    rows = list(_rows(recipe, costs, states))
    unknown = [
        step.name
        for step in recipe.steps
        if step.command in ("label", "train-student", "ablate") and spent[step.name] is None
    ]
    known = {name: found for name, found in spent.items() if found is not None}
    return Budget(
        rows=tuple(rows),
        all=_sum(known.values()),
        left=_sum(found for name, found in known.items() if states[name] not in FINISHED),
        states=states,
        unknown=tuple(name for name in unknown if states[name] not in FINISHED),
    )


def budget_text(budget: Budget, costs: StepCosts) -> str:
    """Returns the budget for the terminal; empty where nothing of it is known."""
    if not budget.all.total:
        return ""
    width = max(len(name) for name in ("GPU-hours", *(row.name for row in budget.rows)))
    heads = ("training", "with all it needs", "labelling", "state")
    lines = [f"{'GPU-hours':<{width}}  " + "  ".join(f"{head:>9}" for head in heads)]
    lines += [_line(row, width, [max(9, len(head)) for head in heads]) for row in budget.rows]
    counts = [f"{_count(budget, state)} {state}" for state in dict.fromkeys(budget.states.values())]
    lines.append(
        f"in all about {budget.all.label:,.1f} GPU-hours of labelling, {budget.all.train:,.1f} of "
        f"training and {budget.all.score:,.1f} of scoring, what students share counted once; "
        f"{budget.left.label:,.1f}, {budget.left.train:,.1f} and {budget.left.score:,.1f} of them "
        "are left"
    )
    lines.append(f"{counted(len(budget.states), 'step')}: {', '.join(counts)}")
    if budget.unknown:
        lines.append(f"not counted, for their lists are not known yet: {', '.join(budget.unknown)}")
    return "\n".join([*lines, *_assumptions(costs)])


def _rows(recipe: Recipe, costs: StepCosts, states: Mapping[str, State]) -> Iterator[Row]:
    names = _table_names(recipe)
    for step in recipe.steps:
        folder = str(recipe.folder(step.name))
        state, needed = states[step.name], _sum_of_needs(recipe, costs, step)
        own = costs.spent.get(folder)
        if step.command == "train-student":
            yield Row(names.get(step.name, step.name), state, own, needed + (own or Spent()))
        for cell, of_cell in costs.cells.get(folder, {}).items():
            yield Row(cell, state, of_cell, needed + of_cell)


def _table_names(recipe: Recipe) -> dict[str, str]:
    """Returns step -> what a step that lays out the paper's table calls its student."""
    found = {}
    for step in recipe.steps:
        rows = step.options.get("rows") if step.command == "reproduce" else None
        for text in rows if isinstance(rows, list) else []:
            row, _, system = str(text).partition("=")
            found[system] = row
    return found


def _sum_of_needs(recipe: Recipe, costs: StepCosts, step: Step) -> Spent:
    """Returns the cost of all that a step needs, however far back; each once."""
    by_name = {one.name: one for one in recipe.steps}
    seen: dict[str, None] = {}
    waiting = list(recipe.needs(step))
    while waiting:
        name = waiting.pop()
        if name not in seen and name in by_name:
            seen[name] = None
            waiting += recipe.needs(by_name[name])
    return _sum(
        found for name in seen if (found := costs.spent.get(str(recipe.folder(name)))) is not None
    )


def _sum(several: Iterable[Spent]) -> Spent:
    return sum(several, Spent())


def _count(budget: Budget, state: State) -> int:
    return sum(held == state for held in budget.states.values())


def _line(row: Row, width: int, widths: list[int]) -> str:
    cells = ["?" if row.own is None else f"{row.own.train:,.2f}"]
    cells += [f"{row.whole.train:,.2f}", f"{row.whole.label:,.2f}", row.state]
    shown = (f"{cell:>{wide}}" for cell, wide in zip(cells, widths, strict=True))
    return f"{row.name:<{width}}  " + "  ".join(shown)


def _assumptions(costs: StepCosts) -> list[str]:
    """Returns what the hours are counted with."""
    lines = [
        f"training at {rate.tokens_per_second:,.0f} tokens/s: {rate.source}"
        for rate in costs.rates.used
    ]
    return [
        *lines,
        f"labelling at {costs.label_rate.tokens_per_second:,.0f} tokens/s: "
        f"{costs.label_rate.source}",
        f"passages as long as those of MS MARCO; scoring {SCORING_SPEED:.0f} times as fast as "
        "training (assumed); searching and indexing are not counted",
    ]
