"""Everything that `rankgen ablate` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt

from rankgen.generator.api.train_options import PresetSettings, TeamSettings
from rankgen.generator.jobs.settings import ClusterSettings
from rankgen.manifests.options import Option
from rankgen.students.training.settings import StudentSettings


def _split(value: object) -> object:
    """Returns the numbers of "10,25", or of several such texts, one by one."""
    parts = value if isinstance(value, list | tuple) else [value]
    return tuple(word for part in parts for word in str(part).split(","))


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
