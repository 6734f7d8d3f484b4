"""The files of a data set on the Hugging Face Hub, at one commit.

`hf:USER/NAME[@REVISION][:CONFIG[:SPLIT]]`: which files a configuration and a split have is what the
data set's card says; without such a card, the folder of a file is its configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from rankgen.manifests.errors import EnvironmentProblem, UsageError, did_you_mean
from rankgen.manifests.forms.sources.base import Part, Source
from rankgen.manifests.forms.sources.beside import DOCUMENTS, QUERIES
from rankgen.manifests.forms.sources.local import kind_of
from rankgen.manifests.storage.digest import sha256_of_value
from rankgen.manifests.storage.hub_runs import HUB_PREFIX, named_hub_faults

_CARD = "README.md"
_SHAPE = (
    "type hf:USER/NAME, hf:USER/NAME@REVISION, hf:USER/NAME:CONFIG or hf:USER/NAME:CONFIG:SPLIT"
)


class Named(NamedTuple):
    """What a user named of the Hub; None for what was left open."""

    dataset: str
    revision: str | None
    config: str | None
    split: str | None


class _File(NamedTuple):
    path: str
    config: str
    split: str


def hub_source(spec: str, *, with_texts: bool = True) -> Source:
    """Finds the files of a data set and downloads them into the Hub's cache.

    Args:
        spec: `USER/NAME[@REVISION][:CONFIG[:SPLIT]]`.
        with_texts: Whether to download the texts beside the rankings too.

    Raises:
        UsageError: There is no such data set, revision, configuration or split.
        EnvironmentProblem: The Hub cannot be reached and the data set was never downloaded.
    """
    named = named_dataset(spec)
    commit, paths = _listed(named)
    chosen = _chosen(named, list(_files(named, commit, paths)))
    if not with_texts:
        chosen = [file for file in chosen if file.config not in QUERIES | DOCUMENTS]
    parts = []
    for file in chosen:
        kind = kind_of(file.path)
        assert kind is not None, "other files were left out"
        local = _downloaded(named, commit, file.path)
        parts.append(Part(f"{HUB_PREFIX}{named.dataset}/{file.path}", local, kind, file.config))
    told = f"{HUB_PREFIX}{named.dataset}@{commit}"
    digest = sha256_of_value([told, [file.path for file in chosen]])
    return Source(told, tuple(parts), digest)


def named_dataset(spec: str) -> Named:
    """Reads the name of a data set.

    Raises:
        UsageError: It is not one.
    """
    found = re.fullmatch(r"([^/@:]+/[^/@:]+)(?:@([^:]+))?(?::([^:]+))?(?::([^:]+))?", spec)
    if found is None:
        raise UsageError(f"'{HUB_PREFIX}{spec}' does not name a data set on the Hub", _SHAPE)
    return Named(*found.groups())


def _listed(named: Named) -> tuple[str, list[str]]:
    """Returns the commit of a data set and the files in it."""
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise EnvironmentProblem(
            f"{HUB_PREFIX}{named.dataset} needs the package huggingface_hub, which is missing",
            "pip install huggingface_hub",
        ) from None
    try:
        with _named_faults(named):
            info = HfApi().dataset_info(named.dataset, revision=named.revision)
    except EnvironmentProblem:
        cached = _cached(named)
        if cached is None:
            raise
        return cached
    return str(info.sha), [sibling.rfilename for sibling in info.siblings or ()]


def _cached(named: Named) -> tuple[str, list[str]] | None:
    """Returns what was downloaded last of a data set; None for nothing."""
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            named.dataset, repo_type="dataset", revision=named.revision, local_files_only=True
        )
    except OSError:
        return None
    folder = Path(found)
    files = (path for path in folder.rglob("*") if path.is_file())
    return folder.name, sorted(path.relative_to(folder).as_posix() for path in files)


def _downloaded(named: Named, commit: str, path: str) -> Path:
    from huggingface_hub import hf_hub_download

    with _named_faults(named):
        found = hf_hub_download(named.dataset, path, repo_type="dataset", revision=commit)
    return Path(found)


def _named_faults(named: Named) -> AbstractContextManager[None]:
    return named_hub_faults(f"the data set {HUB_PREFIX}{named.dataset}", "downloaded")


def _files(named: Named, commit: str, paths: Sequence[str]) -> Iterator[_File]:
    """Yields the files with rows, with their configuration and split."""
    usable = [path for path in sorted(paths) if kind_of(path) is not None]
    told = _configs(named, commit) if _CARD in paths else []
    for path in usable:
        by_card = [(config, split) for config, split, glob in told if _matches(glob, path)]
        if by_card:
            yield from (_File(path, config, split) for config, split in by_card)
        elif not told:
            *folders, name = path.split("/")
            split = folders[1] if folders[1:] else re.split(r"[-.]", name)[0]
            yield _File(path, folders[0] if folders else "", split)


def _configs(named: Named, commit: str) -> list[tuple[str, str, str]]:
    """Returns (configuration, split, pattern of paths) of what the card says."""
    from huggingface_hub import DatasetCard

    card = DatasetCard(_downloaded(named, commit, _CARD).read_text(encoding="utf-8"))
    found: list[tuple[str, str, str]] = []
    # The Hub's package ships types, but not for this call.
    said: dict[str, Any] = card.data.to_dict()  # type: ignore[no-untyped-call]
    for config in said.get("configs") or ():
        files = config.get("data_files") or ()
        entries = [files] if isinstance(files, str | Mapping) else files
        for entry in entries:
            split, given = ("train", entry)
            if isinstance(entry, Mapping):
                split, given = str(entry.get("split", "train")), entry.get("path", ())
            globs = [given] if isinstance(given, str) else given
            found += [(str(config.get("config_name", "")), split, glob) for glob in globs]
    return found


def _matches(glob: str, path: str) -> bool:
    """Tells whether a path has a pattern with `*` within a folder and `**` across folders."""
    patterns = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob.removeprefix("./"))
    return re.fullmatch("".join(patterns.get(p, re.escape(p)) for p in parts), path) is not None


def _chosen(named: Named, files: Sequence[_File]) -> list[_File]:
    """Returns the files of the named configuration and split, and those with texts."""
    told = f"{HUB_PREFIX}{named.dataset}"
    if not files:
        raise UsageError(f"{told} holds no file of rankings", "name a data set with such files")
    texts = QUERIES | DOCUMENTS
    ranked = [file for file in files if file.config not in texts]
    configs = sorted({file.config for file in ranked})
    if named.config is None and len(configs) > 1:
        raise UsageError(
            f"{told} has several configurations of rankings: {', '.join(configs)}",
            f"name one of them, as in {told}:{configs[0]}",
        )
    if named.config is not None:
        if named.config not in configs:
            hint = did_you_mean(named.config, configs)
            raise UsageError(f"{told} has no configuration '{named.config}'", hint)
        ranked = [file for file in ranked if file.config == named.config]
    beside = [file for file in files if file.config in texts]
    if named.split is not None:
        splits = {file.split for file in ranked}
        if named.split not in splits:
            hint = did_you_mean(named.split, splits)
            raise UsageError(f"{told} has no split '{named.split}'", hint)
        ranked = [file for file in ranked if file.split == named.split]
        # Sets of many collections have a split for each, also of the texts.
        if any(file.split == named.split for file in beside):
            beside = [file for file in beside if file.split == named.split]
    return [*ranked, *beside]
