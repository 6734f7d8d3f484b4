"""A folder in an S3-compatible store.

A store cannot rename a folder: files appear one by one, the manifest last, so a data set without
manifest.json is one that is still being published. Files of an earlier publication stay until
those that replace them are there.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from rankgen.manifests.errors import UsageError
from rankgen.manifests.publishing.snippets import Place
from rankgen.manifests.publishing.statement import MANIFEST
from rankgen.manifests.publishing.targets.identity import identity_in
from rankgen.manifests.storage.object_store import (
    listed_objects,
    object_digest,
    read_object,
    remove_objects,
    upload,
    write_object,
)

# Says that a publication is under way in a folder without a manifest.
BEGUN = ".rankgen-publishing"


class StoreTarget:
    """A folder in a store, which must be new, empty, or hold a publication, finished or begun.

    Args:
        folder: Its path.
    """

    writes_croissant = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = Place("s3", str(folder).rstrip("/"))

    def held(self) -> str | None:
        """Returns the identity of what is published there; see `Target`."""
        names = listed_objects(self._folder).keys()
        if MANIFEST in names:
            identity = identity_in(read_object(self._folder / MANIFEST))
            if identity is not None:
                return identity
        elif BEGUN in names or not names:
            return None
        raise UsageError(
            f"{self._folder} holds something else than a data set that rankgen published",
            "name a new folder with --to",
        )

    @contextlib.contextmanager
    def staging(self, identity: str) -> Iterator[StoreStaging]:
        """Begins, or goes on: objects that are there with the right content are not sent again."""
        write_object(self._folder / BEGUN, identity.encode())
        with tempfile.TemporaryDirectory(prefix="rankgen-") as drafts:
            yield StoreStaging(Path(drafts), self._folder)


class StoreStaging:
    """Files on their way into a store; see `Staging`."""

    def __init__(self, drafts: Path, folder: Path) -> None:
        self.drafts, self._folder = drafts, folder

    def take(self, name: str, sha256: str) -> None:
        """Uploads the file unless it is there, and removes the draft."""
        if object_digest(self._folder / name) != sha256:
            upload(self.drafts / name, self._folder / name, sha256=sha256)
        (self.drafts / name).unlink()

    def finish(self, small: Mapping[str, bytes], names: frozenset[str]) -> str:
        """Writes the small files, the manifest last, and removes what is of an earlier data set."""
        for name in sorted(small, key=lambda name: name == MANIFEST):
            write_object(self._folder / name, small[name])
        for name in listed_objects(self._folder).keys() - names:
            remove_objects(self._folder / name)
        return str(self._folder)
