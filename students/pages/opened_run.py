"""A run as the page reads it: whole, half-finished, published, or made by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import JsonValue

from rankgen.manifests.errors import IncompleteRun, RankgenError
from rankgen.manifests.records import Candidates
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.known_first_stage import knows_first_stage
from rankgen.manifests.run.plan import Plan, planned_queries, read_plan
from rankgen.manifests.run.provenance import read_predicate
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.status import RunStatus, run_status
from rankgen.students.pages.run_rows import Row, RunRows


@dataclass
class OpenedRun:
    """A run with rankings.

    Attributes:
        name: What it is called on the page; unique there.
        directory: Its folder.
        plan: Its plan; None for a published data set and a folder that was made by hand.
        described: The manifest's description; None without one, as for an unfinished run.
    """

    name: str
    directory: RunDirectory
    plan: Plan | None
    described: Mapping[str, JsonValue] | None
    _texts: dict[str, str] = field(default_factory=dict)

    @property
    def recipe(self) -> Mapping[str, JsonValue]:
        """Everything that decided the result; empty where nothing is known."""
        held = self.plan.recipe if self.plan else (self.described or {}).get("recipe")
        return held if isinstance(held, dict) else {}

    @property
    def teacher(self) -> str:
        """The teacher's name with its model or file, or else the run's name."""
        named, asked = self.recipe.get("teacher"), self.asked
        if not isinstance(named, str):
            return self.name
        argument = str(asked.get("teacher") or "").partition(":")[2]
        more = Path(argument).name.removesuffix(".trec") or asked.get("model")
        return f"{named} ({more})" if isinstance(more, str) and more else named

    @property
    def asked(self) -> Mapping[str, JsonValue]:
        """What the teacher was asked to do, beside the recipe; empty where nothing is known."""
        held = self.plan.settings.get("teacher") if self.plan else None
        return held if isinstance(held, dict) else {}

    @cached_property
    def status(self) -> RunStatus | None:
        """How far it is; None without a plan."""
        return None if self.plan is None else run_status(self.directory)

    @cached_property
    def source(self) -> RunDirectory | None:
        """The run whose candidates were ranked, where it still is what it was."""
        return None if self.plan is None else _source(self.plan)

    @cached_property
    def quarantined(self) -> Mapping[str, str]:
        """query_id -> reason."""
        if self.status is not None:
            return self.status.quarantined
        held = (self.described or {}).get("quarantined")
        return {q: str(why) for q, why in held.items()} if isinstance(held, dict) else {}

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Totals over the committed shards; empty where nothing is known."""
        if self.status is not None:
            return self.status.counts
        held = (self.described or {}).get("counts")
        return (
            {k: v for k, v in held.items() if isinstance(v, int)} if isinstance(held, dict) else {}
        )

    @property
    def has_windows(self) -> bool:
        """Tells whether the run says which calls led to its rankings."""
        return self.directory.has_table("windows")

    def query_ids(self) -> Iterator[str]:
        """Yields the ids of ranked queries, shard by shard, then those of quarantined ones."""
        for shard in self.directory.shards("rankings", ["query_id"]):
            yield from shard["query_id"].to_pylist()
        yield from self.quarantined

    def ranking(self, query_id: str) -> Row | None:
        """Returns the query's row of `rankings`; None where it has none."""
        return next(iter(self._rankings.of(query_id)), None)

    def calls(self, query_id: str) -> list[Row]:
        """Returns the query's rows of `windows`, in the order in which the calls were made."""
        rows = self._calls.of(query_id)
        return sorted(rows, key=lambda row: (row["window_index"], row["attempt"] or 0))

    def candidates(self, query_id: str) -> Candidates | None:
        """Returns what the first stage found for a query; None where that is not known."""
        lists = self._candidates
        return lists.of([query_id])[0] if lists is not None and query_id in lists else None

    def knows_first_stage(self, positions: Sequence[int]) -> bool:
        """Tells whether the positions of a list are known to be those of a first stage."""
        kind = self.plan.kind if self.plan else (self.described or {}).get("kind")
        return knows_first_stage(self.described, kind, positions)

    def text(self, query_id: str) -> str | None:
        """Returns the query's text; None where the run has none."""
        return self._queries.get(query_id)

    @cached_property
    def _rankings(self) -> RunRows:
        return RunRows(self.directory, "rankings")

    @cached_property
    def _calls(self) -> RunRows:
        return RunRows(self.directory, "windows")

    @cached_property
    def _candidates(self) -> CandidateLists | None:
        return None if self.source is None else CandidateLists(self.source)

    @cached_property
    def _queries(self) -> Mapping[str, str]:
        if self.directory.has_table("queries"):
            return self.directory.texts("queries")
        # An unfinished run has only what it was planned with.
        try:
            return {} if self.plan is None else dict(planned_queries(self.directory, self.plan))
        except RankgenError:
            return {}


def open_run(root: Path, name: str | None = None) -> OpenedRun:
    """Opens a run that has rankings, whether it is finished or not.

    Args:
        root: Its folder; see `RunDirectory`.
        name: What to call it; None for the folder's name.

    Raises:
        UsageError: The folder is not a run, or not one of rankings.
        IncompleteRun: Nothing of the run is committed yet.
        IntegrityProblem: The plan or a commit record is damaged.
    """
    directory = RunDirectory(root)
    plan = read_plan(directory) if directory.plan.exists() else None
    if not directory.has_table("rankings"):
        if plan is not None and "rankings" in plan.tables:
            raise IncompleteRun(
                f"{root} has no rankings yet (no shard is committed)", f"rankgen status {root}"
            )
        raise directory.lacks("rankings")
    return OpenedRun(
        name=name or root.name,
        directory=directory,
        plan=plan,
        described=read_predicate(directory),
    )


def _source(plan: Plan) -> RunDirectory | None:
    """Returns the run of the candidates, if it is still where it was, with what it held."""
    named, digest = plan.settings.get("candidates"), plan.recipe.get("candidates_sha256")
    if not isinstance(named, str) or not isinstance(digest, str):
        return None
    try:
        run = RunDirectory(named)
        return run if CandidateLists(run).digest() == digest else None
    except (RankgenError, OSError):
        return None
