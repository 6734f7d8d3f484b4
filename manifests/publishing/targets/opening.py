"""Picks the place that --to names."""

from __future__ import annotations

from rankgen.manifests.errors import UsageError
from rankgen.manifests.publishing.settings import HubSettings
from rankgen.manifests.publishing.targets.base import Target
from rankgen.manifests.publishing.targets.folder import FolderTarget
from rankgen.manifests.publishing.targets.hub import HubTarget
from rankgen.manifests.publishing.targets.store import StoreTarget
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.hub_runs import is_hub
from rankgen.manifests.storage.object_store import is_remote, open_root


def open_target(to: str, source: RunDirectory, hub: HubSettings) -> Target:
    """Returns the place; nothing is written.

    Args:
        to: A folder, s3://bucket/folder or hf:USER/NAME.
        source: The run to publish, which the place must not be a part of.
        hub: Settings that only the Hub knows of.

    Raises:
        UsageError: It is no such place, or it and the run lie in each other.
        EnvironmentProblem: The packages for S3 are not installed.
    """
    if is_hub(to):
        return HubTarget(to, hub.revision, is_private=hub.private)
    if hub.private or hub.revision is not None:
        raise UsageError(
            f"--private and --revision are of the Hugging Face Hub, and {to} is not in it",
            "omit them, or publish to hf:USER/NAME",
        )
    root = open_root(to)
    if is_remote(root):
        return StoreTarget(root)
    folder = root.resolve()
    if not is_remote(source.root):
        run = source.root.resolve()
        if folder.is_relative_to(run) or run.is_relative_to(folder):
            raise UsageError(
                f"{to} and the run {source.root} lie in one another",
                "name a folder outside of the run with --to",
            )
    return FolderTarget(root)
