"""Relevance judgements from a file, or from ir_datasets as `irds:ID`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rankgen.manifests.errors import UsageError
from rankgen.manifests.options import Option
from rankgen.manifests.storage.digest import sha256_of_file, sha256_of_value
from rankgen.manifests.trec import Qrels, read_qrels
from rankgen.retrieval.collections.irds import IRDS_PREFIX, irds_qrels

_OPTION = Option("Judgements: a file in TREC or BEIR form, or irds:ID.", metavar="FILE|irds:ID")
Judgements = Annotated[Path, _OPTION]
# Where something else may take their place.
MaybeJudgements = Annotated[Path | None, _OPTION]


def is_catalogued(source: Path) -> bool:
    """Tells whether the judgements are named by an ir_datasets id, not by a file."""
    return str(source).startswith(IRDS_PREFIX)


def read_judgements(source: Path) -> Qrels:
    """Reads judgements; see `read_qrels` for the file formats.

    Args:
        source: A file, or `irds:ID` such as irds:msmarco-passage/trec-dl-2019/judged.

    Raises:
        UsageError: There is no such file or data set, or it has no judgements.
        EnvironmentProblem: ir_datasets is missing or cannot obtain the judgements.
    """
    if not is_catalogued(source):
        return read_qrels(source)
    read = irds_qrels(str(source).removeprefix(IRDS_PREFIX))
    if read is None:
        raise UsageError(f"{source} has no judgements", "name a data set or a file with some")
    return read()


def judgements_sha256(source: Path) -> str:
    """Returns the digest of the file, or of the judgements themselves without a file."""
    if is_catalogued(source):
        return sha256_of_value(read_judgements(source))
    return sha256_of_file(source)
