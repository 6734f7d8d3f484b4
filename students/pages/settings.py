"""Everything that `rankgen report` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from rankgen.manifests.options import SOURCE_METAVAR, Option, Settings
from rankgen.manifests.storage.run_path import RunPath
from rankgen.retrieval.collections.judgements import Judgements


class ReportSettings(Settings):
    """What the page shows, and where it goes."""

    runs: Annotated[
        tuple[RunPath, ...],
        Field(min_length=1),
        Option(
            "One or more runs with rankings: of label, import, negatives, subsample or mix. Or "
            "folders of rankgen evaluate, all with --suite or all without, to compare systems.",
            metavar=SOURCE_METAVAR,
            is_argument=True,
        ),
    ]
    out: Annotated[Path, Option("Folder of the page.", metavar="FOLDER")]
    evaluation: Annotated[
        Path | None,
        Option("Folder of `rankgen evaluate`, to show its figures too.", metavar="FOLDER"),
    ] = None
    students: Annotated[
        tuple[Path, ...],
        Option(
            "Folder of a student, to show how its training went; repeatable.",
            metavar="FOLDER",
            flags=("--student", "--students"),
        ),
    ] = ()
    qrels: Annotated[
        Judgements | None,
        Option(
            "Judgements, to show where they and the teacher disagree: a file in TREC or BEIR form, "
            "or irds:ID.",
            metavar="FILE|irds:ID",
        ),
    ] = None
