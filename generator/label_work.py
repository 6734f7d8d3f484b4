"""What a label worker does with a shard: many queries in flight, each a chain of windows."""

from __future__ import annotations

import asyncio
import socket
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pydantic import JsonValue

from rankgen.generator.debugging import debug_wanted
from rankgen.generator.gauges import gauges_of
from rankgen.generator.jobs.streak import Streak
from rankgen.generator.jobs.vitals import LastError
from rankgen.generator.jobs.work import FilledShard, WorkerMustExit
from rankgen.generator.jobs.worker_errors import last_line
from rankgen.generator.journal import WindowJournal
from rankgen.generator.label_rows import label_counts, ranking_table, window_table
from rankgen.generator.label_settings import LabelSettings
from rankgen.generator.outcomes import (
    EngineDead,
    QueryRanking,
    TeacherFailure,
    WindowOutcome,
)
from rankgen.generator.strategies.sliding import rank_query
from rankgen.generator.teachers.base import Teacher
from rankgen.generator.teachers.journaled import JournaledTeacher
from rankgen.generator.teachers.registry import make_teacher
from rankgen.manifests.candidate_lists import CandidateList, CandidateLists
from rankgen.manifests.errors import EnvironmentProblem, IncompleteRun, RankgenError
from rankgen.manifests.records import Document, Query
from rankgen.manifests.run_directory import RunDirectory
from rankgen.manifests.texts import DocumentTexts

# An engine's error comes after many tries of its own; an answer may be bad by chance.
ERRORS_IN_A_ROW, BAD_ANSWERS_IN_A_ROW = 10, 50


@dataclass(frozen=True)
class LabelFactory:
    """Makes a teacher and opens the candidates in a worker process.

    Attributes:
        candidates: The retrieve run's folder.
        teacher: Resolved settings.
        documents_sha256: Digest of the texts that the run was planned on; None where none is read.
    """

    candidates: Path
    teacher: LabelSettings
    documents_sha256: JsonValue = None

    def __call__(self) -> LabelWork:
        """Loads the model.

        Raises:
            EnvironmentProblem: This node sees other texts than the driver.
        """
        return LabelWork(RunDirectory(self.candidates), self.teacher, self.documents_sha256)


class LabelWork:
    """Fills shards with a teacher's rankings.

    Args:
        source: The candidates with their texts.
        settings: Resolved settings of the teacher.
        documents_sha256: See `LabelFactory`.
    """

    def __init__(
        self, source: RunDirectory, settings: LabelSettings, documents_sha256: JsonValue = None
    ) -> None:
        self._settings = settings
        self._candidates = CandidateLists(source)
        self._documents = DocumentTexts(source) if settings.preset.reads_texts else None
        if self._documents is not None and self._documents.digest() != documents_sha256:
            raise EnvironmentProblem(
                f"the documents that {socket.gethostname()} sees are not those that the run was "
                "planned on",
                "let every node see the same folder of candidates",
            )
        self._teacher: Teacher = make_teacher(settings)
        # Shared by all shards in flight, so that the engine always has this many chains.
        self._chains = asyncio.Semaphore(settings.concurrency or 1)
        self._windows = 0
        self.last_error: LastError | None = None
        self._errors, self._answers = Streak(ERRORS_IN_A_ROW), Streak(BAD_ANSWERS_IN_A_ROW)

    async def fill(self, queries: Sequence[Query], journal: Path) -> FilledShard:
        """Ranks every query; one that the teacher could not rank is a failed one."""
        lists = self._candidates[[query.query_id for query in queries]]
        opened = WindowJournal(journal)
        damaged = opened.damaged
        teacher = JournaledTeacher(self._teacher, opened, self._count_window)
        chains = [
            asyncio.create_task(self._rank(query, lists[query.query_id], teacher))
            for query in queries
        ]
        try:
            results = await asyncio.gather(*chains)
        except EngineDead as error:
            raise WorkerMustExit(str(error)) from error
        finally:
            for chain in chains:
                chain.cancel()
            await teacher.close()
        ranked = [result for result in results if isinstance(result, QueryRanking)]
        failed = {
            query.query_id: result
            for query, result in zip(queries, results, strict=True)
            if isinstance(result, str)
        }
        return FilledShard(
            tables={
                "rankings": ranking_table([(r, lists[r.query_id]) for r in ranked]),
                "windows": window_table(ranked),
            },
            failed=failed,
            facts={"windows_replayed": teacher.replayed, "journal_lines_damaged": damaged},
        )

    def counts(self, tables: Mapping[str, pa.Table]) -> Mapping[str, int]:
        """Returns queries by status, windows by outcome, repairs and tokens."""
        return label_counts(tables)

    def progress(self) -> int:
        """Counts the windows of all shards, replayed ones included."""
        return self._windows

    def gauges(self) -> Mapping[str, float]:
        """Returns what the teacher's engine says."""
        return gauges_of(self._teacher)

    async def close(self) -> None:
        """Stops the engine."""
        await self._teacher.close()

    def facts(self) -> Mapping[str, JsonValue]:
        """Returns the teacher's identity and provenance."""
        return {"teacher": self._teacher.name, **self._teacher.facts()}

    async def _rank(
        self, query: Query, candidates: CandidateList, teacher: Teacher
    ) -> QueryRanking | str:
        async with self._chains:
            try:
                return await rank_query(
                    query,
                    self._passages(candidates.doc_ids),
                    teacher,
                    window=self._settings.window,
                    stride=self._settings.stride,
                    passes=self._settings.passes,
                )
            except TeacherFailure as failure:
                self._count_failure(query, failure.outcome, failure.reason)
                return f"{failure.outcome} after {failure.attempts} attempts: {failure.reason}"
            except (RankgenError, EngineDead, OSError):
                raise
            except Exception as error:
                # Nobody foresaw it, so it may be this query's alone; if it is not, the next ones
                # meet it too.
                if debug_wanted():
                    traceback.print_exc()
                reason = f"unexpected {type(error).__name__}: {last_line(error)}"
                self._count_failure(query, WindowOutcome.ERROR, reason)
                return reason

    def _count_failure(self, query: Query, outcome: WindowOutcome, reason: str) -> None:
        """Stops the run, before its queries are quarantined, for a reason that all of them share.

        Raises:
            IncompleteRun: Window after window failed for one reason.
        """
        self.last_error = LastError(time.time(), f"query {query.query_id}: {reason}")
        streak = self._errors if outcome is WindowOutcome.ERROR else self._answers
        if streak.failure(reason, query.query_id):
            raise IncompleteRun(
                f"the last {streak.longest} windows failed for one reason: {reason}",
                "mend that, then repeat the command to resume",
            )

    def _count_window(self, is_new: bool) -> None:
        self._windows += 1
        if is_new:
            self._errors.success()
            self._answers.success()

    def _passages(self, doc_ids: Sequence[str]) -> list[Document]:
        if self._documents is None:
            return [Document(doc_id, "", "") for doc_id in doc_ids]
        texts = self._documents[doc_ids]
        return [texts[doc_id] for doc_id in doc_ids]
