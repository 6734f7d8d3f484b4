"""Everything that `rankgen import` can be told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import PositiveInt

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.manifests.forms.collected.found_lists import Duplicates
from rankgen.manifests.forms.collected.gathering import Order, Ties
from rankgen.manifests.forms.registry import FORMS
from rankgen.manifests.forms.shape import ROLES
from rankgen.manifests.options import RUN_METAVAR, Option, Settings
from rankgen.manifests.storage.run_path import NewRunPath
from rankgen.retrieval.collections.own_documents import OwnDocumentOption

# The words of `teacher_scores.Unit` as one types them.
ScoreUnit = Literal["logit", "probability", "cosine", "run-score", "label"]


class ImportSettings(Settings):
    """Rankings that others published, and how they become a run."""

    form: Annotated[
        str,
        Option(
            "How the source is written: auto judges by its first row; else one of "
            + ", ".join(FORMS)
            + ".",
            metavar="FORM|auto",
            is_argument=True,
        ),
    ]
    source: Annotated[
        str,
        Option(
            "A file (also .gz, .zst or .zip), a folder, or a data set on the Hugging Face Hub: "
            "hf:USER/NAME[@REVISION][:CONFIG[:SPLIT]].",
            metavar="PATH|hf:NAME",
            is_argument=True,
        ),
    ]
    out: Annotated[
        NewRunPath,
        Option("Folder of the run; repeat the command to resume it.", metavar=RUN_METAVAR),
    ]
    config: Annotated[
        str | None,
        Option("The folder of the rankings, where the source has several side by side."),
    ] = None
    columns: Annotated[
        tuple[str, ...],
        Option(
            "What a column holds that has a name of its own: one of "
            + ", ".join(ROLES)
            + "; repeatable.",
            "known names",
            metavar="ROLE=NAME",
        ),
    ] = ()
    collection: Annotated[
        str | None,
        Option(
            "Where the texts of queries and documents are, for rankings of ids alone; it takes the "
            "place of texts that lie beside the rankings.",
            metavar="FOLDER|irds:ID|hf:NAME",
        ),
    ] = None
    missing: Annotated[
        Literal["refuse", "drop"],
        Option("What becomes of queries and documents without a text."),
    ] = "refuse"
    order: Annotated[
        Order, Option("How scored rows are ordered: score, or rank by their column of ranks.")
    ] = "score"
    ties: Annotated[
        Ties | None,
        Option(
            "How to order rows of equal score: source keeps the source's order; doc-id puts the "
            "larger document id first, as trec_eval does.",
            "doc-id for a TREC run, else source",
        ),
    ] = None
    duplicates: Annotated[
        Duplicates | None,
        Option(
            "What becomes of a document that its list names again: drop keeps the first.",
            "drop rows, refuse lists",
        ),
    ] = None
    depth: Annotated[
        PositiveInt | None, Option("Keep the top N documents of each list.", "all")
    ] = None
    own_document: OwnDocumentOption = "keep"
    score_unit: Annotated[ScoreUnit | None, Option("What the scores are.", "as the form says")] = (
        None
    )
    shards: Annotated[
        PositiveInt | None, Option("Number of shards.", "one for about 10,000 queries")
    ] = None

    def named_columns(self) -> dict[str, str]:
        """Returns role -> name of the columns that the user named.

        Raises:
            UsageError: One is not ROLE=NAME, or there is no such role.
        """
        found: dict[str, str] = {}
        for told in self.columns:
            role, equals, name = told.partition("=")
            if not (equals and name):
                raise UsageError(
                    f"--columns needs ROLE=NAME, not '{told}'", "for example --columns score=logit"
                )
            if role not in ROLES:
                raise UsageError(f"no column can hold a '{role}'", did_you_mean(role, ROLES))
            if role in found:
                raise UsageError(
                    f"--columns says twice which column is the {role}: {found[role]} and {name}",
                    f"leave one out: --columns {role}={name}",
                )
            found[role] = name
        return found
