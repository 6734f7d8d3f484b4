"""The calls for one query, step by step: what the teacher was shown and what it made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.replay import after_call, places_shown
from rankgen.students.pages.run_rows import Row


class Step(TypedDict):
    """One call; documents are named by their places in the query's table of documents.

    Attributes:
        pass_index, window_index: From 0.
        attempt: From 1; None where the run does not say.
        start, end: The span [start, end) of the list that held what was shown.
        shown: The documents in the order in which they were shown; the first one was [1].
        answer: The same documents in the order of the answer; None for a failed call.
        named: How many of them the answer named; the others follow in the order shown.
        after: The whole list after the call; None for a failed call, which changes nothing.
        outcome: ok, repaired, truncated, malformed or error.
        reason: Why it failed; None where it did not.
        output_text: The answer itself; None where it was not kept.
        cut: How many passages were shortened to fit; None where that is not known.
    """

    pass_index: int
    window_index: int
    attempt: int | None
    start: int
    end: int
    shown: list[int]
    answer: list[int] | None
    named: int
    after: list[int] | None
    outcome: str
    reason: str | None
    output_text: str | None
    duplicates: int
    missing: int
    out_of_range: int
    cut: int | None
    prompt_tokens: int
    output_tokens: int


def steps_of(calls: Sequence[Row], first: Sequence[int]) -> list[Step]:
    """Replays the calls of one query.

    Args:
        calls: Its rows of the table `windows`, in the order of the calls, failed ones among them.
        first: The documents in first-stage order, as the first call found them.

    Raises:
        IntegrityProblem: A call does not fit the list.
    """
    order, steps = list(first), list[Step]()
    for call in calls:
        step = _step(call, order)
        if step["after"] is not None:
            order = step["after"]
        steps.append(step)
    return steps


def _step(call: Row, order: list[int]) -> Step:
    span, places = (call["start"], call["end"]), call["shown"]
    permutation: list[int] | None = call["permutation"]
    try:
        shown = [order[place] for place in places_shown(*span, places)]
        after = (
            None
            if permutation is None
            else after_call(order, *span, permutation, places, call["reordered"])
        )
    except (ValueError, IndexError) as error:
        query_id = call["query_id"]
        raise IntegrityProblem(
            f"the windows of query {query_id} do not fit its list: {error}", "rankgen verify RUN"
        ) from None
    return Step(
        pass_index=call["pass_index"],
        window_index=call["window_index"],
        attempt=call["attempt"],
        start=call["start"],
        end=call["end"],
        shown=shown,
        answer=None if permutation is None else [shown[place] for place in permutation],
        named=0 if permutation is None else len(permutation) - call["missing"],
        after=after,
        outcome=call["outcome"],
        reason=call["reason"],
        output_text=call["output_text"],
        duplicates=call["duplicates"],
        missing=call["missing"],
        out_of_range=call["out_of_range"],
        cut=call["cut"],
        prompt_tokens=call["prompt_tokens"],
        output_tokens=call["output_tokens"],
    )
