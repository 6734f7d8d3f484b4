"""Opens the source that a command line names."""

from __future__ import annotations

from pathlib import Path

from rankgen.manifests.forms.sources.base import Source
from rankgen.manifests.forms.sources.local import local_source
from rankgen.manifests.storage.hub_runs import HUB_PREFIX, is_hub


def open_source(spec: str, unpacked: Path, *, with_texts: bool = True) -> Source:
    """Returns the files of a source; those of the Hub are downloaded into its cache.

    Args:
        spec: A file, a folder, a .zip file, or `hf:USER/NAME[@REVISION][:CONFIG[:SPLIT]]`.
        unpacked: An empty folder for what archives hold.
        with_texts: Whether to download texts that lie beside rankings on the Hub.

    Raises:
        UsageError: There is no such source, or it holds no rankings.
        EnvironmentProblem: The Hub cannot be reached.
    """
    if is_hub(spec):
        from rankgen.manifests.forms.sources.hub import hub_source

        return hub_source(spec.removeprefix(HUB_PREFIX), with_texts=with_texts)
    return local_source(Path(spec), unpacked)
