"""A folder on a disk: everything is written beside it, and then takes its name in one step."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from rankgen.manifests.errors import UsageError
from rankgen.manifests.publishing.snippets import Place
from rankgen.manifests.publishing.statement import MANIFEST
from rankgen.manifests.publishing.targets.identity import identity_in
from rankgen.manifests.storage.atomic import (
    fsync_directory,
    make_folder,
    remove_tree,
    write_whole,
)
from rankgen.manifests.storage.storage_faults import named_storage_faults


class FolderTarget:
    """A folder, which must be new, empty, or an earlier publication to replace.

    Args:
        folder: Its path.
    """

    writes_croissant = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self.place = Place("folder", self._folder.name)

    def held(self) -> str | None:
        """Returns the identity of what is published there; see `Target`."""
        if not self._folder.exists():
            return None
        if not self._folder.is_dir():
            raise UsageError(f"{self._folder} is a file", "name a new folder with --to")
        manifest = self._folder / MANIFEST
        identity = identity_in(manifest.read_bytes()) if manifest.is_file() else None
        if identity is None and any(self._folder.iterdir()):
            raise UsageError(
                f"{self._folder} holds something else than a data set that rankgen published",
                "name a new folder with --to",
            )
        return identity

    @contextlib.contextmanager
    def staging(self, identity: str) -> Iterator[FolderStaging]:
        """Begins in a hidden folder beside the target, or goes on there."""
        drafts = self._folder.with_name(f".{self._folder.name}.{identity[:16]}.publishing")
        with named_storage_faults(drafts):
            make_folder(drafts)
            yield FolderStaging(drafts, self._folder)


class FolderStaging:
    """Files on their way into a folder; see `Staging`."""

    def __init__(self, drafts: Path, folder: Path) -> None:
        self.drafts, self._folder = drafts, folder

    def take(self, name: str, sha256: str) -> None:
        """Leaves the file where it is: the whole folder is moved at the end."""

    def finish(self, small: Mapping[str, bytes], names: frozenset[str]) -> str:
        """Renames the drafts to the folder's name; an earlier publication is removed."""
        for name, content in small.items():
            write_whole(self.drafts / name, content)
        for path in self.drafts.rglob("*"):
            if path.is_file() and path.relative_to(self.drafts).as_posix() not in names:
                path.unlink()
        before = self._folder.with_name(f"{self.drafts.name}.before")
        if self._folder.exists():
            os.replace(self._folder, before)
        os.replace(self.drafts, self._folder)
        fsync_directory(self._folder.parent)
        remove_tree(before)
        for other in self._folder.parent.glob(f".{self._folder.name}.*.publishing"):
            remove_tree(other)
        return str(self._folder)
