"""A data set repository of the Hugging Face Hub.

Data files are sent one by one; the Hub keeps each under its SHA-256, so that a repeated command
sends only those that are missing. One commit at the end makes them visible, all at once, and
removes those of an earlier publication.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.publishing.snippets import Place
from rankgen.manifests.publishing.statement import CARD, MANIFEST
from rankgen.manifests.publishing.targets.identity import identity_in
from rankgen.manifests.storage.hub_runs import HUB_PREFIX, named_hub_faults, split_hub

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

# What the Hub itself puts into a new repository.
_NEW = frozenset({".gitattributes", CARD})


class HubTarget:
    """A repository, made when something is published to it.

    Args:
        named: Such as "hf:somebody/rankings".
        revision: The branch; None for the main one.
        is_private: Whether a new repository is private.
    """

    writes_croissant = False

    def __init__(self, named: str, revision: str | None, *, is_private: bool) -> None:
        name, at = split_hub(named)
        if at is not None or name.count("/") != 1 or not all(name.split("/")):
            raise UsageError(
                f"'{named}' does not name a data set of the Hub",
                "write it as hf:USER/NAME, and name a branch with --revision",
            )
        self._name, self._revision, self._is_private = name, revision, is_private
        self.place = Place("hub", name, revision)

    def held(self) -> str | None:
        """Returns the identity of what is published there; see `Target`."""
        from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

        with self._named_faults():
            api = _api()
            try:
                names = self._files(api)
            except (RepositoryNotFoundError, RevisionNotFoundError):
                return None
            if MANIFEST in names:
                path = api.hf_hub_download(
                    self._name, MANIFEST, repo_type="dataset", revision=self._revision
                )
                identity = identity_in(Path(path).read_bytes())
                if identity is not None:
                    return identity
        if names <= _NEW:
            return None
        raise UsageError(
            f"{HUB_PREFIX}{self._name} holds something else than a data set that rankgen published",
            "name a new repository with --to, or an empty branch with --revision",
        )

    @contextlib.contextmanager
    def staging(self, identity: str) -> Iterator[HubStaging]:
        """Makes repository and branch if they are missing, and begins."""
        api = _api()
        with self._named_faults(), tempfile.TemporaryDirectory(prefix="rankgen-") as drafts:
            api.create_repo(
                self._name, repo_type="dataset", private=self._is_private or None, exist_ok=True
            )
            if self._revision is not None:
                api.create_branch(
                    self._name, branch=self._revision, repo_type="dataset", exist_ok=True
                )
            yield HubStaging(
                api, Path(drafts), self._name, self._revision, self._files(api), self.place
            )

    def _files(self, api: HfApi) -> set[str]:
        return set(api.list_repo_files(self._name, repo_type="dataset", revision=self._revision))

    def _named_faults(self) -> contextlib.AbstractContextManager[None]:
        return named_hub_faults(f"the data set {HUB_PREFIX}{self._name}", "published")


class HubStaging:
    """Files on their way to the Hub; see `Staging`."""

    def __init__(
        self,
        api: HfApi,
        drafts: Path,
        name: str,
        revision: str | None,
        before: set[str],
        place: Place,
    ) -> None:
        self._api, self.drafts, self._name, self._revision = api, drafts, name, revision
        self._before, self._place = before, place
        self._added: list[CommitOperationAdd] = []

    def take(self, name: str, sha256: str) -> None:
        """Sends the file, unless the Hub has one with its SHA-256."""
        from huggingface_hub import CommitOperationAdd

        file = CommitOperationAdd(name, str(self.drafts / name))
        self._api.preupload_lfs_files(
            self._name, [file], repo_type="dataset", revision=self._revision
        )
        self._added.append(file)

    def finish(self, small: Mapping[str, bytes], names: frozenset[str]) -> str:
        """Commits everything at once and returns the commit's URL."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        removed = {name for name in self._before - names if name.endswith(".parquet")}
        commit = self._api.create_commit(
            self._name,
            [
                *self._added,
                *(CommitOperationAdd(name, content) for name, content in small.items()),
                *(CommitOperationDelete(name) for name in sorted(removed)),
            ],
            commit_message="Publish rankings made by rankgen",
            repo_type="dataset",
            revision=self._revision,
        )
        return f"{self._place.as_run} ({commit.commit_url})"


def _api() -> HfApi:
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise EnvironmentProblem(
            "the package huggingface_hub is not installed", "pip install huggingface_hub"
        ) from None
    return HfApi()
