"""Which files a published data set has: its configurations, and the rows of each file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from rankgen.manifests.errors import UsageError
from rankgen.manifests.publishing.scores import FROM_RANKINGS, SCORES
from rankgen.manifests.publishing.source import TEXTS, Source
from rankgen.manifests.schema import TABLES
from rankgen.manifests.teacher_scores import FACT

# What "Citation" and readers see, in this order; the first one that a run has is the default.
ORDER = ("rankings", "candidates", "windows", "scores", *TEXTS)
MB = 1_000_000


class PublishedFile(NamedTuple):
    """One file of a configuration.

    Attributes:
        name: Its path in the data set, such as "rankings/train-00000-of-00002.parquet".
        table: The table of the run that its rows come from.
        start, end: The rows of that table.
        about_bytes: Its size as far as it is known before it is written.
    """

    name: str
    config: str
    table: str
    start: int
    end: int
    about_bytes: int


def configs_of(source: Source, *, with_text: bool) -> tuple[str, ...]:
    """Returns the configurations, the default first.

    Raises:
        UsageError: Texts are wanted that the run does not have.
    """
    held = {table for table in source.tables if table not in TEXTS}
    if with_text:
        lacking = [table for table in TEXTS if table not in source.tables]
        if lacking:
            raise UsageError(
                f"{source.run.root} has no {lacking[0]} to publish",
                "finish the run, or omit --with-text",
            )
        held |= set(TEXTS)
    if FACT in source.facts and "rankings" in held:
        held.add("scores")
    return tuple(config for config in ORDER if config in held)


def schema_of(config: str) -> pa.Schema:
    """Returns the columns of a configuration."""
    return SCORES if config == "scores" else TABLES[config]


def table_of(config: str) -> str:
    """Returns the table of a run that a configuration is made of."""
    return "rankings" if config == "scores" else config


def planned_files(source: Source, configs: tuple[str, ...], most_bytes: int) -> list[PublishedFile]:
    """Returns the files; those of a configuration hold about equally many rows, in their order.

    Args:
        source: The run.
        configs: See `configs_of`.
        most_bytes: No file is planned larger than this.
    """
    return [file for config in configs for file in _files(source, config, most_bytes)]


def _files(source: Source, config: str, most_bytes: int) -> Iterator[PublishedFile]:
    table = table_of(config)
    rows = source.rows_of(table)
    size = round(source.bytes_of(table) * (_share_of_scores(source) if config == "scores" else 1))
    count = max(1, min(-(-size // most_bytes), rows))
    for number in range(count):
        yield PublishedFile(
            name=f"{config}/train-{number:05d}-of-{count:05d}.parquet",
            config=config,
            table=table,
            start=rows * number // count,
            end=rows * (number + 1) // count,
            about_bytes=size // count,
        )


def _share_of_scores(source: Source) -> float:
    """Returns how much of a shard of rankings the columns of `scores` take, from the first one."""
    shard = next((file for file in source.tables["rankings"] if file.rows), None)
    if shard is None:
        return 1.0
    with shard.path.open("rb") as file, pq.ParquetFile(file) as parquet:
        groups = [parquet.metadata.row_group(i) for i in range(parquet.metadata.num_row_groups)]
    columns = [group.column(i) for group in groups for i in range(group.num_columns)]
    taken: int = sum(
        column.total_compressed_size
        for column in columns
        if column.path_in_schema.split(".")[0] in FROM_RANKINGS
    )
    whole: int = sum(column.total_compressed_size for column in columns)
    return taken / max(1, whole)
