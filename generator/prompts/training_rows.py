"""Examples to train a listwise LLM on: prompts in a profile's words, answered by a run's orders."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from rankgen.generator.prompts.profiles import PromptProfile
from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.forms.writers.base import texts_of
from rankgen.manifests.forms.writers.lists import first_stage_of
from rankgen.manifests.forms.writers.prompts import Example
from rankgen.manifests.long_documents.rule import ChunkRule
from rankgen.manifests.long_documents.shown import shown_chunk
from rankgen.manifests.records import Document, Query
from rankgen.manifests.replay import after_call, places_shown
from rankgen.manifests.run.run_directory import RunDirectory

# The windows that the teacher ordered; one prompt a list in the first stage's order; or the
# teacher's top in a random order.
PromptsFrom = Literal["stored", "list", "shuffled"]
PASSAGES = 20
_COLUMNS = [
    "pass_index",
    "window_index",
    "start",
    "end",
    "permutation",
    "outcome",
    "cut",
    "shown",
    "reordered",
    "asked",
]


class Call(NamedTuple):
    """A call that ordered a window; see the table `windows`."""

    pass_index: int
    window_index: int
    start: int
    end: int
    permutation: tuple[int, ...]
    outcome: str
    cut: int | None
    shown: Sequence[int] | None = None
    reordered: Sequence[int] | None = None
    asked: int | None = None


def as_shown(ranked: SharedList, rule: ChunkRule | None) -> SharedList:
    """Returns a list with those chunks of its documents that its teacher was shown by a rule."""
    if rule is None:
        return ranked
    query, _ = texts_of(ranked)
    chunks = tuple(shown_chunk(rule, query, document)[1] for document in ranked.documents)
    return ranked._replace(documents=chunks)


def whole_list(ranked: SharedList, profile: PromptProfile, passages: int) -> Example:
    """Returns the first stage's top passages of a list, to be put into the teacher's order.

    Args:
        ranked: A list with its texts and the first stage's order.
        profile: The words of the prompt.
        passages: Most passages of the prompt.

    Raises:
        UsageError: The first stage's order is not known.
    """
    shown = first_stage_of(ranked)[:passages]
    place = {doc_id: number for number, doc_id in enumerate(ranked.doc_ids)}
    order = sorted(range(len(shown)), key=lambda number: place[shown[number]])
    return _example(ranked, profile, ranked.query_id, shown, order)


def shuffled_list(ranked: SharedList, profile: PromptProfile, passages: int, seed: int) -> Example:
    """Returns the teacher's top passages of a list in a random order, to be put into its order.

    The order depends on the seed and the query's id alone.
    """
    best = list(range(min(passages, len(ranked.doc_ids))))
    mixed = random.Random(f"{seed} {ranked.query_id}").sample(best, len(best))
    shown = [ranked.doc_ids[place] for place in mixed]
    order = sorted(range(len(mixed)), key=mixed.__getitem__)
    return _example(ranked, profile, ranked.query_id, shown, order)


def stored_windows(
    ranked: SharedList, calls: Iterable[Call], profile: PromptProfile, counts: Counter[str]
) -> Iterator[Example]:
    """Yields the windows that the teacher ordered, as it saw them.

    A window whose answer was repaired, or asked for in part, is left out and counted: its last
    places are not the teacher's. One that was cut to fit the context is written whole, and counted.

    Args:
        ranked: The whole list with its texts and the first stage's order.
        calls: The calls of the query that ordered a window, in the order they were made.
        profile: The words of the prompt.
        counts: Counts what is left out.

    Raises:
        IntegrityProblem: The windows do not lead to the list.
    """
    order = list(first_stage_of(ranked))
    for call in calls:
        span, moves = (call.start, call.end), (call.shown, call.reordered)
        try:
            after = after_call(order, *span, call.permutation, *moves)
        except ValueError:
            raise _foreign_windows(ranked) from None
        if call.asked is not None:
            counts["windows_partly_ordered_left_out"] += 1
        elif call.outcome == "ok":
            counts["windows_cut_when_labelled"] += bool(call.cut)
            name = f"{ranked.query_id}_{call.pass_index}_{call.window_index}"
            held = [order[place] for place in places_shown(*span, call.shown)]
            yield _example(ranked, profile, name, held, call.permutation)
        else:
            counts["windows_repaired_left_out"] += 1
        order = after
    if tuple(order) != ranked.doc_ids:
        raise _foreign_windows(ranked)


class StoredCalls:
    """The calls of a run's queries, read shard by shard in step with its rankings.

    Raises:
        UsageError: The run has no windows.
    """

    def __init__(self, run: RunDirectory) -> None:
        if not run.has_table("windows"):
            raise UsageError(
                f"{run.root} has no windows, so what its teacher saw is not known",
                "add --prompts list or --prompts shuffled",
            )
        self._shards = run.shards("windows", ["query_id", *_COLUMNS])
        self._held: dict[str, list[Call]] = {}

    def of(self, query_id: str) -> Sequence[Call]:
        """Returns the calls of a query that ordered a window, in the order they were made.

        Queries are asked for in the order of the run's shards.
        """
        while query_id not in self._held:
            shard = next(self._shards, None)
            if shard is None:
                return ()
            self._held = {}
            for row in shard.to_pylist():
                if row["permutation"] is not None:
                    call = Call(*(row[name] for name in _COLUMNS))
                    self._held.setdefault(row["query_id"], []).append(call)
        return sorted(self._held[query_id], key=lambda call: call[:2])


def _example(
    ranked: SharedList,
    profile: PromptProfile,
    name: str,
    shown: Sequence[str],
    order: Sequence[int],
) -> Example:
    query, _ = texts_of(ranked)
    documents: dict[str, Document] = {d.doc_id: d for d in ranked.documents}
    passages = [documents[doc_id] for doc_id in shown]
    system, user = profile.render(Query(ranked.query_id, query), passages)
    return Example(name, system.content, user.content, shown, order)


def _foreign_windows(ranked: SharedList) -> IntegrityProblem:
    return IntegrityProblem(
        f"the windows of query {ranked.query_id} do not lead to its ranking", "rankgen verify RUN"
    )
