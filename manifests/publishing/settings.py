"""Everything that publishing a run can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from rankgen.manifests.options import Option, Settings


class TextSettings(Settings):
    """Which texts are published, and under which licence."""

    panel = "Texts and licence"
    with_text: Annotated[
        bool,
        Option(
            "Also publish the texts of queries and documents, which needs --licence; without it "
            "readers get ids, and take the texts from the collection."
        ),
    ] = False
    licence: Annotated[
        str | None,
        Option(
            "Licence of what is published: an SPDX id such as CC-BY-4.0, or a notice in your own "
            "words.",
            "none stated",
            metavar="ID|TEXT",
        ),
    ] = None
    citation: Annotated[
        Path | None,
        Option("BibTeX of your own to cite, for the card.", "none", metavar="FILE"),
    ] = None


class HubSettings(Settings):
    """What only the Hub knows of; its token is taken from HF_TOKEN or from `hf auth login`."""

    panel = "Hugging Face Hub"
    private: Annotated[bool, Option("Make a new repository private.")] = False
    revision: Annotated[
        str | None, Option("Branch to publish to, made if missing.", "main", metavar="BRANCH")
    ] = None


class PublishSettings(TextSettings, HubSettings):
    """Where a run is published, and how."""

    to: Annotated[
        str,
        Option(
            "A new folder, s3://BUCKET/FOLDER, or hf:USER/NAME for the Hugging Face Hub.",
            metavar="FOLDER|s3://…|hf:USER/NAME",
        ),
    ]
    file_mb: Annotated[
        float, Field(gt=0, le=5000), Option("Most megabytes that a published file takes, about.")
    ] = 300
    partial: Annotated[
        bool, Option("Publish what is committed of a run that is not finished; the card says so.")
    ] = False
    dry_run: Annotated[
        bool, Option("Print the files, their sizes and the card, and write nothing.")
    ] = False
