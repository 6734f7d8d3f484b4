"""One piece of code per library that loads a published data set; a test runs every one of them."""

from __future__ import annotations

from typing import Literal, NamedTuple

FETCH_FROM_HUB = """from huggingface_hub import snapshot_download

folder = snapshot_download("{named}", repo_type="dataset"{revision})"""
FETCH_FROM_S3 = """import fsspec

fsspec.filesystem("s3").get("{named}/", "{name}/", recursive=True)"""


class Place(NamedTuple):
    """Where a data set is published.

    Attributes:
        kind: "hub" by repository, "s3" by URL, "folder" by the folder's name.
        named: As a reader names it: "USER/NAME", "s3://bucket/folder" or the folder's name.
        revision: The branch of the Hub; None for the main one.
    """

    kind: Literal["folder", "s3", "hub"]
    named: str
    revision: str | None = None

    @property
    def name(self) -> str:
        """The last part of its name."""
        return self.named.rstrip("/").rpartition("/")[2]

    @property
    def as_run(self) -> str:
        """What options such as --rankings take."""
        if self.kind != "hub":
            return self.named
        return f"hf:{self.named}" + (f"@{self.revision}" if self.revision else "")


class Snippet(NamedTuple):
    """A piece of code with its heading."""

    title: str
    code: str


def fetching(place: Place) -> Snippet | None:
    """Returns the code that brings the files to this machine; None where they are in a folder."""
    if place.kind == "folder":
        return None
    if place.kind == "s3":
        code = FETCH_FROM_S3.format(named=place.named, name=place.name)
        return Snippet(f"Download it as the folder `{place.name}`", code)
    revision = f', revision="{place.revision}"' if place.revision else ""
    code = FETCH_FROM_HUB.format(named=place.named, revision=revision)
    return Snippet("Download it, for all but datasets and rankgen", code)


def snippets(place: Place, config: str) -> list[Snippet]:
    """Returns the code that loads a configuration, one piece per library.

    Each leaves its rows in a variable of the configuration's name, as what the library calls a
    table.
    """
    on_hub = place.kind == "hub"
    files = f'f"{{folder}}/{config}/*.parquet"' if on_hub else f'"{place.name}/{config}/*.parquet"'
    folder = f'f"{{folder}}/{config}"' if on_hub else f'"{place.name}/{config}"'
    revision = f', revision="{place.revision}"' if on_hub and place.revision else ""
    dataset = place.named if on_hub else place.name
    return [
        Snippet(
            "datasets",
            "from datasets import load_dataset\n\n"
            f'{config} = load_dataset("{dataset}", "{config}", split="train"{revision})',
        ),
        Snippet("polars", f"import polars\n\n{config} = polars.read_parquet({files})"),
        Snippet(
            "duckdb",
            f"import duckdb\n\n{config} = duckdb.read_parquet({files})",
        ),
        Snippet(
            "pyarrow", f"import pyarrow.parquet\n\n{config} = pyarrow.parquet.read_table({folder})"
        ),
        Snippet("pandas", f"import pandas\n\n{config} = pandas.read_parquet({folder})"),
        Snippet(
            "rankgen",
            "from rankgen.manifests.run.run_directory import RunDirectory\n\n"
            f'{config} = RunDirectory("{place.as_run}").read("{config}")',
        ),
    ]
