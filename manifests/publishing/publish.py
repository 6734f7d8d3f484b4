"""Publishes a run: compacts its shards, writes card and checksums, and sends all to a place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import JsonValue

from rankgen.manifests.errors import UsageError, reason_of
from rankgen.manifests.progress import progress
from rankgen.manifests.publishing.card import CardContent, card
from rankgen.manifests.publishing.compact import (
    rows_between,
    without_answers,
    write_compacted,
)
from rankgen.manifests.publishing.croissant import croissant_text
from rankgen.manifests.publishing.layout import (
    MB,
    PublishedFile,
    configs_of,
    planned_files,
    schema_of,
)
from rankgen.manifests.publishing.licence import check_texts, parse_licence
from rankgen.manifests.publishing.origin import origin_of
from rankgen.manifests.publishing.scores import FROM_RANKINGS, score_rows
from rankgen.manifests.publishing.settings import PublishSettings
from rankgen.manifests.publishing.source import Source, open_source
from rankgen.manifests.publishing.statement import (
    CARD,
    CROISSANT,
    MANIFEST,
    SUMS,
    Written,
    description,
    manifest_text,
    sums_text,
)
from rankgen.manifests.publishing.targets.base import Target
from rankgen.manifests.publishing.targets.opening import open_target
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import ROW_GROUP_ROWS
from rankgen.manifests.storage.atomic import whole_file
from rankgen.manifests.storage.digest import sha256_of_bytes, sha256_of_file
from rankgen.manifests.storage.shard import footer_of


@dataclass(frozen=True)
class Published:
    """What was published, or would be.

    Attributes:
        where: The place, as a person would name it.
        was_there: Whether exactly this data set stood there already.
        files: Path -> size in bytes; of a dry run about that size, and no small files.
        replaces: Whether it takes the place of another data set that was published there.
    """

    where: str
    was_there: bool
    files: Mapping[str, int]
    replaces: bool = False


class Publication:
    """One run on its way to one place; making the object writes nothing.

    Args:
        run: The run.
        settings: Where it goes, and how.

    Raises:
        UsageError: A setting is wrong, texts go without their licence, or the place is taken.
        IncompleteRun: The run is not finished.
        IntegrityProblem: Files of the run are missing or have other sizes.
        EnvironmentProblem: The place cannot be reached.
    """

    def __init__(self, run: RunDirectory, settings: PublishSettings) -> None:
        self._target: Target = open_target(settings.to, run, settings)
        self._source: Source = open_source(run, is_partial=settings.partial)
        self._origin = origin_of(run, self._source.plan)
        self._licence = parse_licence(settings.licence)
        if settings.with_text:
            check_texts(self._licence, self._origin.collection)
        self._citation = None if settings.citation is None else _text_of(settings.citation)
        configs = configs_of(self._source, with_text=settings.with_text)
        self.files: list[PublishedFile] = planned_files(
            self._source, configs, round(settings.file_mb * MB)
        )
        self._configs = configs
        self._description = description(
            self._source, self._origin, self._licence, self.files, with_text=settings.with_text
        )

    @cached_property
    def card(self) -> str:
        """The text of README.md."""
        return card(
            CardContent(
                self._target.place,
                self._source,
                self._origin,
                self.files,
                self._licence,
                self._citation,
            )
        )

    def planned(self) -> Published:
        """Returns what would be published."""
        files = {file.name: file.about_bytes for file in self.files}
        return Published(self._target.place.as_run, was_there=False, files=files)

    def publish(self) -> Published:
        """Writes every file and makes them visible; repeating an interrupted call resumes it.

        Raises:
            RankgenError: The place is taken or cannot be reached, or a shard is damaged.
        """
        identity = sha256_of_bytes(f"{self._description['identity']}\n{self.card}".encode())
        described = {**self._description, "identity": identity}
        held = self._target.held()
        if held == identity:
            return Published(self._target.place.as_run, was_there=True, files={})
        written: dict[str, Written] = {}
        with (
            self._target.staging(identity) as staging,
            progress("publish", len(self.files)) as shown,
        ):
            for file in self.files:
                written[file.name] = self._written(file, staging.drafts / file.name)
                staging.take(file.name, written[file.name].sha256)
                shown.advance()
            small = self._small_files(described, written)
            where = staging.finish(small, frozenset({*written, *small}))
        sizes = {name: file.bytes for name, file in written.items()}
        sizes |= {name: len(content) for name, content in small.items()}
        return Published(where, was_there=False, files=sizes, replaces=held is not None)

    def _written(self, file: PublishedFile, draft: Path) -> Written:
        """Writes a data file, unless an earlier command wrote it whole."""
        if not draft.exists():
            with whole_file(draft) as path:
                write_compacted(
                    path,
                    schema_of(file.config),
                    footer_of(file.config, self._source.plan.fingerprint),
                    self._rows(file),
                    ROW_GROUP_ROWS[file.table],
                )
        rows = pq.read_metadata(draft).num_rows
        return Written(file.config, rows, draft.stat().st_size, sha256_of_file(draft))

    def _rows(self, file: PublishedFile) -> Iterator[pa.Table]:
        shards = self._source.tables[file.table]
        if file.config == "scores":
            rows = rows_between(shards, file.table, file.start, file.end, FROM_RANKINGS)
            return score_rows(rows, self._origin.qrels)
        tables = (part.table for part in rows_between(shards, file.table, file.start, file.end))
        is_bare = file.config == "windows" and "documents" not in self._configs
        return map(without_answers, tables) if is_bare else tables

    def _small_files(
        self, described: Mapping[str, JsonValue], written: Mapping[str, Written]
    ) -> dict[str, bytes]:
        place = self._target.place
        texts = {CARD: self.card, MANIFEST: manifest_text(described, written)}
        if self._target.writes_croissant:
            texts[CROISSANT] = croissant_text(place.name, self._configs, self._licence, written)
        small = {name: text.encode() for name, text in texts.items()}
        digests = {name: file.sha256 for name, file in written.items()}
        digests |= {name: sha256_of_bytes(content) for name, content in small.items()}
        return {**small, SUMS: sums_text(digests).encode()}


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the citation {path} cannot be read: {reason_of(error)}",
            "name a BibTeX file with --citation",
        ) from None
