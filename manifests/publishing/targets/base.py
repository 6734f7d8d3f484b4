"""What a place to publish to can do."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from rankgen.manifests.publishing.snippets import Place


class Staging(Protocol):
    """A publication under way: files come one by one, and all become visible at its end."""

    @property
    def drafts(self) -> Path:
        """The local folder that files are written into, under the names they will have.

        A file that is there already was finished by an earlier, interrupted command.
        """

    def take(self, name: str, sha256: str) -> None:
        """Takes a finished data file from the drafts; repeating a command sends none twice."""

    def finish(self, small: Mapping[str, bytes], names: frozenset[str]) -> str:
        """Adds the small files and makes everything visible.

        Args:
            small: Path -> content of the files that describe the data; the manifest is last.
            names: Paths of all files; data files of an earlier publication that are not among
                them are removed.

        Returns:
            Where the data set is, as a person would name it.
        """


class Target(Protocol):
    """A place to publish to.

    Attributes:
        place: Its kind and name.
        writes_croissant: Whether metadata in Croissant is of use there.
    """

    place: Place
    writes_croissant: bool

    def held(self) -> str | None:
        """Returns the identity of the data set that is published there; None where there is none.

        Raises:
            UsageError: The place holds something else, which is not overwritten.
            EnvironmentProblem: The place cannot be reached.
        """

    def staging(self, identity: str) -> AbstractContextManager[Staging]:
        """Begins to publish, or goes on where a command with the same identity was interrupted."""
