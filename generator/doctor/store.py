"""The store of `--out`: whether it refuses to create an object that already exists."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from rankgen.generator.doctor.finding import Finding
from rankgen.manifests.errors import RankgenError
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.store_probe import probed_store
from rankgen.manifests.storage.object_store import is_remote, open_root


def store_findings(out: str) -> list[Finding]:
    """Creates an object in the store twice and removes it.

    A folder that does not exist yet is not created: its parent is tested instead.
    """
    try:
        root = open_root(out)
        if is_remote(root):
            _probe(root)
        else:
            _probe_beside(root.absolute())
    except RankgenError as problem:
        return [Finding("store of --out", "fail", problem.message, problem.hint or "")]
    except OSError as error:
        remedy = "give --out a folder that you may write to"
        return [Finding("store of --out", "fail", f"{out}: {error.strerror or error}", remedy)]
    return [Finding("store of --out", "ok", f"{root} can hold a run")]


def _probe(root: Path) -> None:
    with probed_store(RunDirectory(root)):
        pass


def _probe_beside(root: Path) -> None:
    # If a file is in the way, this fails just as the run would.
    parent = next(folder for folder in (root, *root.parents) if folder.exists())
    scratch = Path(tempfile.mkdtemp(prefix=".rankgen-doctor-", dir=parent))
    try:
        _probe(scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
