"""Everything that `rankgen ablate` can be told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt

from rankgen.generator.api.train_options import PresetSettings, TeamSettings
from rankgen.generator.jobs.settings import ClusterSettings
from rankgen.manifests.options import Option
from rankgen.students.training.settings import StudentSettings

Grid = Literal["all", "axes"]
Depth = TypeVar("Depth", int, int | None)


def _split(value: object) -> object:
    """Returns the numbers of "10,25", or of several such texts, one by one."""
    parts = value if isinstance(value, list | tuple) else [value]
    return tuple(word for part in parts for word in str(part).split(","))


def grid_parts(
    depths: Sequence[Depth], counts: Sequence[int], grid: Grid
) -> list[tuple[Depth, int]]:
    """Returns (depth, queries) of every cell, each depth with growing queries.

    Args:
        depths: From the smallest to the greatest.
        counts: Numbers of queries, likewise.
        grid: `all`, or `axes`: only cells of the greatest depth or of the most queries.
    """
    return [
        (depth, count)
        for depth in depths
        for count in counts
        if grid == "all" or depth == depths[-1] or count == counts[-1]
    ]


class AblateOptions(StudentSettings, PresetSettings, TeamSettings, ClusterSettings):
    """Students on parts of labelled sets, all trained alike: depth x queries x first stage."""

    rankings: Annotated[
        tuple[str, ...],
        Field(min_length=1),
        Option(
            "A label run, under the name of its first stage; repeatable.",
            metavar="NAME=FOLDER|s3://…",
        ),
    ]
    candidates: Annotated[
        tuple[str, ...],
        Field(min_length=1),
        Option(
            "Candidates that the students of NAME re-rank to be evaluated, and their judgements "
            "where these are not beside them as qrels.tsv; several of one NAME are averaged.",
            metavar="NAME=FOLDER[,FILE|irds:ID]",
        ),
    ]
    out: Annotated[
        Path, Option("Folder of all cells; repeat the command to resume.", metavar="FOLDER")
    ]
    depths: Annotated[
        tuple[Annotated[int, Field(ge=2)], ...],
        BeforeValidator(_split),
        Option("First-stage depths to cut the lists to.", "whole lists", metavar="N,N,…"),
    ] = ()
    queries: Annotated[
        tuple[PositiveInt, ...],
        BeforeValidator(_split),
        Option("Numbers of training queries; smaller samples are part of larger.", "all", "N,N,…"),
    ] = ()
    grid: Annotated[
        Grid,
        Option(
            "Which cells: all; or axes, every depth with the most queries and every number of "
            "queries at the greatest depth, as in Figure 1 of arXiv 2405.07920."
        ),
    ] = "all"
    seeds: Annotated[
        tuple[NonNegativeInt, ...],
        BeforeValidator(_split),
        Option("Train every cell once with each of these, and average.", "--seed", "N,N,…"),
    ] = ()
    sample_seed: Annotated[NonNegativeInt, Option("Random seed of the queries.")] = 0
    evaluation_depth: Annotated[
        PositiveInt | None,
        Option("Candidates that a student re-ranks per query; the rest keep their order.", "all"),
    ] = None
