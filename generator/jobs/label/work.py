"""The work of a label worker: ranks many queries at once, each as a chain of windows."""

from __future__ import annotations

import asyncio
import socket
import time
import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
from pydantic import JsonValue

from rankgen.generator.answers.outcomes import EngineDead, TeacherFailure, WindowOutcome
from rankgen.generator.answers.query_outcomes import FailedQuery, QueryRanking
from rankgen.generator.debugging import debug_wanted
from rankgen.generator.engines.cost.purse import CostCapReached
from rankgen.generator.engines.gauges import gauges_of
from rankgen.generator.engines.server.served_run import ServedRun
from rankgen.generator.jobs.label.counts import label_counts
from rankgen.generator.jobs.label.flow import Flow
from rankgen.generator.jobs.label.rows import ranking_table, window_table
from rankgen.generator.jobs.label.shown_documents import ShownDocuments
from rankgen.generator.shards.streak import Streak
from rankgen.generator.shards.vitals import LastError
from rankgen.generator.shards.work import FilledShard, WorkerMustExit
from rankgen.generator.shards.worker_errors import unforeseen
from rankgen.generator.strategies.chain import Chain
from rankgen.generator.strategies.ranking import rank_chain
from rankgen.generator.teachers.base import Teacher
from rankgen.generator.teachers.journal import WindowJournal
from rankgen.generator.teachers.journaled import JournaledTeacher
from rankgen.generator.teachers.prefix_warmer import PrefixWarmer
from rankgen.generator.teachers.registry import make_teacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.generator.teachers.versions import versions
from rankgen.manifests.counted import counted
from rankgen.manifests.errors import EnvironmentProblem, IncompleteRun, RankgenError
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import DocumentTexts

# An engine's error follows many retries of its own; an answer may be bad by chance.
ERRORS_IN_A_ROW, BAD_ANSWERS_IN_A_ROW = 10, 50


class LabelWork:
    """Fills shards with a teacher's rankings."""

    def __init__(
        self,
        source: RunDirectory,
        settings: LabelSettings,
        documents_sha256: JsonValue = None,
        served: ServedRun | None = None,
    ) -> None:
        self._settings = settings
        self._candidates = CandidateLists(source)
        self._documents = DocumentTexts(source) if settings.preset.reads_texts else None
        if self._documents is not None and self._documents.digest() != documents_sha256:
            raise EnvironmentProblem(
                f"the documents on {socket.gethostname()} differ from those in the run's plan",
                "share the same folder of candidates with every node",
            )
        self._teacher: Teacher = make_teacher(settings, served)
        self._versions = versions(settings)
        self._shown = ShownDocuments(settings.chunk_rule)
        # Shared by all running shards, so that the engine always has this many chains.
        self._flow = Flow(self._teacher, settings.concurrency)
        self._windows = self._fills = 0
        self._finished: dict[Path, int] = {}
        self.last_error: LastError | None = None
        self._errors, self._answers = Streak(ERRORS_IN_A_ROW), Streak(BAD_ANSWERS_IN_A_ROW)

    async def fill(self, queries: Sequence[Query], journal: Path) -> FilledShard:
        """Ranks every query; queries that the teacher could not rank are reported as failed.

        The rows list all calls in the shard's journal for these queries, failed ones of earlier
        revisions and of dead workers included.
        """
        lists = self._candidates.of(query.query_id for query in queries)
        opened = WindowJournal(journal)
        damaged = opened.damaged
        teacher = JournaledTeacher(self._teacher, opened, self._count_window)
        self._finished[journal], self._fills = 0, self._fills + 1
        warmer = self._flow.warmer()
        turn = partial(self._in_turn, self._fills, journal, teacher, warmer)
        chains = [
            asyncio.create_task(turn(query, candidates))
            for query, candidates in zip(queries, lists, strict=True)
        ]
        try:
            results = await asyncio.gather(*chains)
        except EngineDead as error:
            raise WorkerMustExit(str(error)) from error
        finally:
            for chain in chains:
                chain.cancel()
            del self._finished[journal]
            if warmer is not None:
                await warmer.close()
            await teacher.close()
        for result in results:
            if isinstance(result, CostCapReached):
                # Only now: every chain has ended, so all answers are in the journal.
                raise result
        pairs = zip(results, lists, strict=True)
        ranked = [(result, given) for result, given in pairs if isinstance(result, QueryRanking)]
        failed = [result for result in results if isinstance(result, FailedQuery)]
        shown = self._shown.forget([query.query_id for query in queries])
        return FilledShard(
            tables={
                "rankings": ranking_table(ranked, self._settings.keep_top, shown),
                "windows": window_table([ranking for ranking, _ in ranked], failed),
            },
            failed={query.query_id: query.reason for query in failed},
            facts={
                "windows_replayed": teacher.replayed,
                "windows_repeated": teacher.repeated,
                "journal_lines_damaged": damaged,
                **({} if warmer is None else warmer.counts.as_facts()),
            },
        )

    def counts(self, tables: Mapping[str, pa.Table]) -> Mapping[str, int]:
        """Returns queries by status, windows by outcome, repairs and tokens."""
        return label_counts(tables)

    def progress(self) -> int:
        """Returns the number of windows of all shards, replayed ones included."""
        return self._windows

    def gauges(self) -> Mapping[str, float]:
        """Returns the gauges of the teacher's engine, and how many chains are in flight."""
        return {**gauges_of(self._teacher), **self._flow.gauges()}

    def chains(self) -> int:
        """Returns how many chains may be in flight."""
        return self._flow.gate.limit

    def finished(self, journal: Path) -> int:
        """Returns the ended chains of a shard that is being filled; 0 for others."""
        return self._finished.get(journal, 0)

    async def close(self) -> None:
        """Stops the engine."""
        await self._teacher.close()

    def facts(self) -> Mapping[str, JsonValue]:
        """Returns the teacher's name, the versions behind its labels, and its provenance."""
        return {"teacher": self._teacher.name, **self._versions, **self._teacher.facts()}

    async def _in_turn(
        self,
        turn: int,
        journal: Path,
        teacher: JournaledTeacher,
        warmer: PrefixWarmer | None,
        query: Query,
        candidates: Candidates,
    ) -> QueryRanking | FailedQuery | CostCapReached:
        async with self._flow.gate.passed(turn, len(candidates.doc_ids)):
            found = await self._rank(query, candidates, teacher, warmer)
        self._finished[journal] += 1
        return found

    async def _rank(
        self,
        query: Query,
        candidates: Candidates,
        teacher: JournaledTeacher,
        warmer: PrefixWarmer | None,
    ) -> QueryRanking | FailedQuery | CostCapReached:
        asked = self._settings
        chain = Chain(
            query,
            self._passages(query, candidates.doc_ids),
            teacher,
            given=asked.input_order,
            votes=asked.shuffle,
            seed=asked.seed,
            ahead=warmer,
        )
        try:
            return await rank_chain(chain, asked.strategy, asked.shape, asked.passes)
        except TeacherFailure as failure:
            self._count_failure(query, failure.outcome, failure.reason)
            reason = (
                f"{failure.outcome} after {counted(failure.attempts, 'attempt')}: {failure.reason}"
            )
        except CostCapReached as reached:
            return reached
        except (RankgenError, EngineDead, OSError):
            raise
        except Exception as error:
            # An unexpected error may concern only this query; otherwise the next queries fail too,
            # and the streak stops the run.
            if debug_wanted():
                traceback.print_exc()
            reason = unforeseen(error)
            self._count_failure(query, WindowOutcome.ERROR, reason)
        calls = teacher.failed_calls(query.query_id)
        failed = chain.failed_window(calls) if calls else None
        return FailedQuery(query.query_id, reason, tuple(chain.records), failed)

    def _count_failure(self, query: Query, outcome: WindowOutcome, reason: str) -> None:
        """Stops the run before its queries are quarantined, if all fail for the same reason.

        Raises:
            IncompleteRun: Window after window failed for the same reason.
        """
        self.last_error = LastError(time.time(), f"query {query.query_id}: {reason}")
        streak = self._errors if outcome is WindowOutcome.ERROR else self._answers
        if streak.failure(reason, query.query_id):
            raise IncompleteRun(
                f"the last {streak.longest} windows failed for the same reason: {reason}",
                "fix the cause, then repeat the command to resume",
            )

    def _count_window(self, is_new: bool) -> None:
        self._windows += 1
        self._flow.look()
        if is_new:
            self._errors.success()
            self._answers.success()

    def _passages(self, query: Query, doc_ids: Sequence[str]) -> list[Document]:
        if self._documents is None:
            return [Document(doc_id, "", "") for doc_id in doc_ids]
        texts = self._documents[doc_ids]
        return self._shown.of(query, [texts[doc_id] for doc_id in doc_ids])
