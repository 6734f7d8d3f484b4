"""Everything that `rankgen export` can be told."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from rankgen.generator.prompts.training_rows import PromptsFrom
from rankgen.manifests.forms.writers.base import ChatLayout, ScoresFrom
from rankgen.manifests.forms.writers.registry import WRITERS
from rankgen.manifests.forms.writers.run_lists import OrderFrom
from rankgen.manifests.options import SOURCE_METAVAR, Option, Settings
from rankgen.manifests.storage.run_path import NewRunPath, RunPath


class _Lists(Settings):
    """Which lists, and what of them."""

    panel = "Lists"
    order: Annotated[
        OrderFrom, Option("Whose order to write; first-stage also takes the first stage's scores.")
    ] = "teacher"
    scores: Annotated[
        ScoresFrom | None,
        Option(
            "teacher: the teacher's scores; first-stage: the first stage's; order: n for the best "
            "of a list of n, 1 for the last; reciprocal: 1 divided by the rank. A form that needs "
            "scores refuses a teacher that gave an order alone, unless this is given; trec-run "
            "takes order there.",
            "those that belong to the order",
        ),
    ] = None
    depth: Annotated[
        PositiveInt | None, Option("Write the top N documents of each list.", "all")
    ] = None


class _Rows(_Lists):
    """What a form makes of a list."""

    panel = "Rows"
    positives: Annotated[
        NonNegativeInt | None,
        Option(
            "tevatron, rlhn, bge, lightonai, twolar: count the top N documents as positive.",
            "1 in tevatron, rlhn and bge, 0 elsewhere",
        ),
    ] = None
    negatives: Annotated[
        PositiveInt | None,
        Option("tevatron, rlhn, bge: write the next N documents as negative.", "all"),
    ] = None
    per_query: Annotated[
        PositiveInt | None,
        Option(
            "pairs, ettin, triples: rows per query, drawn at random without repetition.",
            "10 triples; all pairs",
        ),
    ] = None
    seed: Annotated[
        int,
        Field(ge=0),
        Option("Random seed of these draws and of --prompts shuffled."),
    ] = 0
    with_text: Annotated[
        bool, Option("lightning-ir: also write the texts, so that no collection is needed.")
    ] = False
    prompts: Annotated[
        PromptsFrom | None,
        Option(
            "rank-llm-training: stored writes every window that the teacher ordered; list one "
            "prompt per list, the first stage's top --depth (20); shuffled the teacher's top "
            "--depth (20) in a random order.",
            "stored; list where a run has no windows, or with --depth",
        ),
    ] = None
    prompt_profile: Annotated[
        str | None,
        Option(
            "rank-llm-training: wording of the prompts, rank_llm-0.25 or rank_llm-0.12.",
            "that of the run's teacher, or rank_llm-0.25",
            metavar="NAME",
        ),
    ] = None
    layout: Annotated[
        ChatLayout, Option("rank-llm-training: how the turns of a chat are written.")
    ] = "conversations"


class ExportSettings(_Rows):
    """A run, the form to write it in, and the file."""

    form: Annotated[
        str,
        Option(f"{', '.join(WRITERS)}.", metavar="FORM", is_argument=True),
    ]
    run: Annotated[
        RunPath,
        Option("Folder of any run of rankgen.", metavar=SOURCE_METAVAR, is_argument=True),
    ]
    out: Annotated[
        NewRunPath,
        Option(
            "File to write; the suffix says how: .jsonl, .json, .parquet, or .run and .txt for "
            "trec-run; all but .parquet also with .gz or .zst. Parquet keeps ids as texts in "
            "every library; of JSON pandas reads 007 as 7.",
            metavar="FILE|s3://…",
        ),
    ]
    partial: Annotated[
        bool, Option("Export a run that is not finished: the queries that are done.")
    ] = False
    overwrite: Annotated[bool, Option("Replace a file with another content.")] = False
