"""Runs on the Hugging Face Hub: `hf:USER/NAME`, or `hf:USER/NAME@REVISION`, as a run folder.

The files come into the Hub's own cache on this machine, of one commit: a branch moves on, and work
that took hours must not be resumed on other data.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator
from pathlib import Path

from rankgen.manifests.errors import EnvironmentProblem, UsageError, reason_of

HUB_PREFIX = "hf:"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_CLIENTS = ("httpx", "httpcore", "hf_xet", "huggingface_hub")


def is_hub(named: Path | str) -> bool:
    """Tells whether a run is named by its repository on the Hub."""
    return str(named).startswith(HUB_PREFIX)


def split_hub(named: Path | str) -> tuple[str, str | None]:
    """Returns the repository and the revision after its "@", None without one."""
    name, _, revision = str(named).removeprefix(HUB_PREFIX).partition("@")
    return name, revision or None


def hub_folder(named: Path | str) -> Path:
    """Downloads a published data set, or finds it in the cache, and returns its folder.

    Args:
        named: Such as "hf:somebody/rankings" or "hf:somebody/rankings@v1".

    Raises:
        UsageError: There is no such data set or revision, or it is none of `rankgen publish`.
        EnvironmentProblem: It is not on this machine and cannot be downloaded.
    """
    name, revision = split_hub(named)
    if revision is not None and _COMMIT.fullmatch(revision):
        return _folder_of_commit(name, revision)
    return _downloaded(name, revision)


def pinned_hub(named: Path, held: object = None) -> Path:
    """Returns the data set with its commit, such as "hf:somebody/rankings@6f0c…".

    Args:
        named: A folder, which is returned as it is, or a data set on the Hub.
        held: What earlier work recorded for it; its commit is kept if it names the same data set
            and `named` names no revision.

    Raises:
        RankgenError: See `hub_folder`.
    """
    if not is_hub(named):
        return named
    if isinstance(held, str) and held.startswith(f"{named}@"):
        return Path(held)
    return Path(f"{HUB_PREFIX}{split_hub(named)[0]}@{hub_folder(named).name}")


def published_patterns() -> list[str]:
    """Returns what a published data set may hold; nothing else is ever downloaded."""
    from rankgen.manifests.schema import TABLES

    shards = [f"{table}/train-*.parquet" for table in (*TABLES, "scores")]
    return [*shards, "manifest.json", "README.md", "SHA256SUMS"]


@functools.cache
def _folder_of_commit(name: str, commit: str) -> Path:
    return _downloaded(name, commit)


def _downloaded(name: str, revision: str | None) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise EnvironmentProblem(
            f"{HUB_PREFIX}{name} needs the package huggingface_hub, which is not installed",
            "pip install huggingface_hub",
        ) from None
    with named_hub_faults(f"the data set {HUB_PREFIX}{name}", "downloaded"):
        found = snapshot_download(
            name, repo_type="dataset", revision=revision, allow_patterns=published_patterns()
        )
    folder = Path(found)
    if not any(folder.glob("*/train-*.parquet")):
        raise UsageError(
            f"{HUB_PREFIX}{name} is not a data set that rankgen published (it has no rankings/)",
            "make a run of it with `rankgen import`, or name another data set",
        )
    # Snapshots are stored under their commit.
    return folder


@contextlib.contextmanager
def named_hub_faults(what: str, done: str) -> Iterator[None]:
    """Turns an error of the Hub or of the way to it into one sentence.

    Args:
        what: The object, such as "the data set hf:somebody/rankings".
        done: What could not be done with it, such as "downloaded".

    Raises:
        UsageError: There is no such repository or revision, or its name is not one.
        EnvironmentProblem: The Hub cannot be reached, or refuses.
    """
    from huggingface_hub import errors

    try:
        yield
    except errors.HFValidationError as error:
        raise UsageError(
            f"{what} cannot be {done}: {reason_of(error)}", "write its name as hf:USER/NAME"
        ) from None
    except (errors.GatedRepoError, errors.RepositoryNotFoundError) as error:
        raise UsageError(
            f"{what} cannot be {done}: the Hub has none of that name, or does not show it to you",
            "check its name; if it is private, set HF_TOKEN or log in with `hf auth login`",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UsageError(
            f"{what} cannot be {done}: it has no such revision", "name a branch, tag or commit"
        ) from error
    except errors.HfHubHTTPError as error:
        refused = getattr(error.response, "status_code", None) in (401, 403)
        raise EnvironmentProblem(
            f"{what} cannot be {done}: {reason_of(error)}",
            "set HF_TOKEN to a token that may do this, or log in with `hf auth login`"
            if refused
            else "repeat the command to resume",
        ) from error
    except Exception as error:
        # The client passes on what its HTTP library raises, whose name changes between versions.
        is_clients = type(error).__module__.startswith(_CLIENTS)
        if not is_clients and not isinstance(error, OSError | RuntimeError):
            raise
        cause = error.__cause__ or error
        raise EnvironmentProblem(
            f"{what} cannot be {done}: {reason_of(cause)}",
            "check the network and HF_ENDPOINT, then repeat the command to resume",
        ) from error
