"""Exports a run as a public form: one file that other tools read."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rankgen.generator.jobs.export.settings import ExportSettings
from rankgen.generator.prompts.profiles import PROFILES, PromptProfile, prompt_profile
from rankgen.generator.prompts.training_rows import (
    PASSAGES,
    StoredCalls,
    as_shown,
    shuffled_list,
    stored_windows,
    whole_list,
)
from rankgen.manifests.counted import counted
from rankgen.manifests.errors import IncompleteRun, UsageError
from rankgen.manifests.forms.files.out_file import file_type, write_lines, write_new, write_rows
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.forms.writers.base import WriteOptions, Writer
from rankgen.manifests.forms.writers.prompts import Example, chat_row
from rankgen.manifests.forms.writers.registry import writer_of
from rankgen.manifests.forms.writers.run_lists import RunLists, Wanted, with_equal_scores
from rankgen.manifests.long_documents.recorded import recorded_rule
from rankgen.manifests.run.plan import read_plan
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.status import run_status

TRAINING = "rank-llm-training"
_DEFAULT_PROFILE = "rank_llm-0.25"
# Options that belong to some forms; the others refuse them.
_SPECIAL = {"positives", "negatives", "per_query", "with_text", "layout"}
_OF_TRAINING = {"prompts", "prompt_profile"}


@dataclass(frozen=True)
class ExportSummary:
    """What was written.

    Attributes:
        rows: Rows of the file, or its lines.
        lists: Lists that they come from, with `documents` documents.
        counts: Name -> number of what was changed or left out; none of them is zero.
        quarantined: Queries of the run without a list.
        queries_left: Queries of an unfinished run that are still to be done.
    """

    out: Path
    rows: int
    lists: int
    documents: int
    counts: Mapping[str, int] = field(default_factory=dict)
    quarantined: int = 0
    queries_left: int = 0


def export(settings: ExportSettings) -> ExportSummary:
    """Writes a run as a public form.

    Raises:
        UsageError: The form, the file's name or an option does not fit, or the run lacks scores,
            texts or an order that the form needs.
        IncompleteRun: The run is not finished.
    """
    writer = writer_of(settings.form)
    _check_options(settings, writer)
    file_type(settings.out, writer.kinds, settings.form)
    if writer.check_name is not None:
        writer.check_name(settings.out.name)
    run = RunDirectory(settings.run)
    quarantined, left = _state_of(run, is_partial=settings.partial)
    counts: Counter[str] = Counter()
    lists = _Counted(_lists(run, settings, writer, counts))
    first = next(lists, None)
    if first is None:
        raise UsageError(f"{run.root} has no lists to export", f"rankgen status {run.root}")
    options = WriteOptions(
        positives=settings.positives,
        negatives=settings.negatives,
        per_query=settings.per_query,
        seed=settings.seed,
        with_text=settings.with_text,
        layout=settings.layout,
        has_scores=first.scores is not None,
    )
    work = _Work(run, settings, writer, options, counts, itertools.chain([first], lists))
    written = write_new(settings.out, work.write, overwrite=settings.overwrite)
    told = {name: count for name, count in sorted(counts.items()) if count}
    return ExportSummary(
        settings.out, written, lists.lists, lists.documents, told, quarantined, left
    )


@dataclass(frozen=True)
class _Work:
    """One file to write, with everything that it is made of."""

    run: RunDirectory
    settings: ExportSettings
    writer: Writer
    options: WriteOptions
    counts: Counter[str]
    lists: Iterator[SharedList]

    def write(self, draft: Path) -> int:
        """Writes the file and returns the number of its rows."""
        writer, options, counts = self.writer, self.options, self.counts
        type_ = file_type(self.settings.out, writer.kinds, self.settings.form)
        if writer.lines is not None:
            make = writer.lines
            lines = (line for ranked in self.lists for line in make(ranked, options, counts))
            return write_lines(draft, lines, type_)
        if writer.rows is not None:
            make_rows = writer.rows
            rows = (row for ranked in self.lists for row in make_rows(ranked, options, counts))
        else:
            examples = _examples(self.run, self.settings, self.lists, counts)
            rows = (chat_row(example, options.layout) for example in examples)
        return write_rows(draft, rows, writer.schema(options), type_)


class _Counted(Iterator[SharedList]):
    """Lists, counted as they pass."""

    def __init__(self, lists: Iterator[SharedList]) -> None:
        self._lists, self.lists, self.documents = lists, 0, 0

    def __next__(self) -> SharedList:
        ranked = next(self._lists)
        self.lists += 1
        self.documents += len(ranked.doc_ids)
        return ranked


def _check_options(settings: ExportSettings, writer: Writer) -> None:
    """Checks that the form follows the options that were given.

    Raises:
        UsageError: It would ignore one.
    """
    is_training = settings.form == TRAINING
    followed = set(writer.takes) | (_OF_TRAINING if is_training else set())
    for name in sorted(settings.model_fields_set & (_SPECIAL | _OF_TRAINING) - followed):
        raise UsageError(
            f"the form {settings.form} has no use for --{name.replace('_', '-')}",
            "leave it out; rankgen export --help names the forms of each option",
        )
    if settings.scores is not None and writer.scores == "unused":
        raise UsageError(f"the form {settings.form} holds no scores", "leave out --scores")
    if settings.order != "teacher" and writer.needs_first_stage:
        raise UsageError(f"the form {settings.form} holds both orders", "leave out --order")
    if is_training and settings.prompts == "stored" and settings.depth is not None:
        raise UsageError(
            "stored windows cannot be cut to a depth", "leave out --depth, or add --prompts list"
        )


def _state_of(run: RunDirectory, *, is_partial: bool) -> tuple[int, int]:
    """Returns the numbers of quarantined queries and of those still to be done.

    A folder without a plan, such as a copy of the published tables, is taken as it is.

    Raises:
        IncompleteRun: The run is not finished and no part of it was asked for.
    """
    if not run.plan.exists():
        return 0, 0
    status = run_status(run)
    left = status.queries - status.published - len(status.quarantined)
    if not (status.finished or is_partial):
        raise IncompleteRun(
            f"{run.root} is not finished: {status.published:,} of "
            f"{counted(status.queries, 'query')} done",
            "repeat its command to finish it, or add --partial to export what there is",
        )
    return len(status.quarantined), left


def _lists(
    run: RunDirectory, settings: ExportSettings, writer: Writer, counts: Counter[str]
) -> Iterator[SharedList]:
    has_texts = writer.texts == "always" or (writer.texts == "asked" and settings.with_text)
    wanted = Wanted(
        order=settings.order,
        scores=settings.scores,
        stand_in=writer.stand_in,
        # The depth of a prompt is that of the first stage.
        depth=None if settings.form == TRAINING else settings.depth,
        with_texts=has_texts,
    )
    lists = RunLists(run, wanted, counts)
    if writer.scores == "unused":
        return (ranked._replace(scores=None) for ranked in lists)
    return with_equal_scores(iter(lists), needed=writer.scores == "needed")


def _examples(
    run: RunDirectory, settings: ExportSettings, lists: Iterator[SharedList], counts: Counter[str]
) -> Iterator[Example]:
    profile = _profile(run, settings)
    most = settings.depth or PASSAGES
    is_cut = any(
        shard["unranked"].null_count < shard.num_rows
        for shard in run.shards("rankings", ["unranked"])
    )
    is_stored = settings.depth is None and not is_cut and run.has_table("windows")
    source = settings.prompts or ("stored" if is_stored else "list")
    if source == "stored" and is_cut:
        raise UsageError(
            f"{run.root} keeps the teacher's top of each list alone, so its windows do not lead to "
            "its lists",
            "add --prompts list or --prompts shuffled",
        )
    calls = StoredCalls(run) if source == "stored" else None
    rule = recorded_rule(run)
    for ranked in (as_shown(one, rule) for one in lists):
        if len(ranked.doc_ids) < 2:
            counts["lists_of_one_left_out"] += 1
        elif calls is not None:
            yield from stored_windows(ranked, calls.of(ranked.query_id), profile, counts)
        elif source == "list":
            yield whole_list(ranked, profile, most)
        else:
            yield shuffled_list(ranked, profile, most, settings.seed)


def _profile(run: RunDirectory, settings: ExportSettings) -> PromptProfile:
    name = settings.prompt_profile
    if name is None and run.plan.exists():
        used = read_plan(run).recipe.get("prompt_profile")
        name = used if isinstance(used, str) else None
        if name is not None and name not in PROFILES:
            raise UsageError(
                f"the teacher of {run.root} was asked by the template {name}, which is no wording "
                "for training prompts",
                f"add --prompt-profile {_DEFAULT_PROFILE}",
            )
    return prompt_profile(name or _DEFAULT_PROFILE)
