"""Checks, before any work, that a run's store can do what the commit protocol needs.

The driver creates a new object twice: the second creation must fail. The object stays as a token
while the job runs, and every worker looks for it, so that a node that does not share the folder is
found before its work is lost.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rankgen.manifests.errors import EnvironmentProblem, reason_of
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.atomic import put_if_absent, read_files, remove_tree
from rankgen.manifests.storage.object_store import is_remote, store_problem

# Network file systems may show another machine's new file some seconds late.
PATIENCE_SECONDS = 10.0


class StoreToken(NamedTuple):
    """A file that a driver leaves for its workers to find; no other job's has its content."""

    path: Path
    content: bytes


@contextlib.contextmanager
def probed_store(run: RunDirectory) -> Iterator[StoreToken]:
    """Probes the store and keeps the token there while the block runs.

    Raises:
        EnvironmentProblem: The store cannot be written, or creates objects that exist already.
    """
    name = uuid.uuid4().hex
    token = StoreToken(run.state.absolute() / f"job-{name}", f"first {name}\n".encode())
    try:
        _probe(token, run.root)
        yield token
    finally:
        # The error that stops the job matters more than a token left behind.
        with contextlib.suppress(Exception):
            remove_tree(token.path)


def find_token(token: StoreToken, node: str) -> None:
    """Checks, on a worker's machine called `node`, that the worker sees the driver's store.

    Raises:
        EnvironmentProblem: The token cannot be found.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := _content(token, node)) != token.content:
        if found is not None or time.monotonic() >= deadline:
            raise EnvironmentProblem(
                f"node {node} does not see the driver's folder {token.path.parent.parent}",
                "name a folder that every node shares with --out, or s3://BUCKET/FOLDER",
            )
        time.sleep(0.2)


def _probe(token: StoreToken, root: Path) -> None:
    try:
        created = put_if_absent(token.path, token.content)
        again = put_if_absent(token.path, token.content.replace(b"first", b"second"))
        found = read_files([token.path])[0]
    except Exception as error:
        raise _unusable(root, error) from error
    if again or not created or found != token.content:
        raise EnvironmentProblem(
            f"the store of {root} creates objects that exist already, so two drivers could "
            "publish the same shard",
            "use a store with conditional writes (If-None-Match: *), such as AWS S3 or MinIO",
        )


def _content(token: StoreToken, node: str) -> bytes | None:
    """Returns the content at the token's path; None where there is no file."""
    try:
        return read_files([token.path])[0]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:
        problem = _unusable(token.path.parent.parent, error)
        raise EnvironmentProblem(f"node {node}: {problem.message}", problem.hint) from None


def _unusable(root: Path, error: Exception) -> EnvironmentProblem:
    """Maps an error of the store to an EnvironmentProblem; raises any other error."""
    problem = store_problem(error)
    if problem is None and not isinstance(error, OSError):
        raise error
    reason = problem.message if problem else reason_of(error)
    hint = "name a writable folder with --out, on a file system with hard links"
    if is_remote(root):
        hint = "check that the bucket exists, your AWS credentials and AWS_ENDPOINT_URL"
    return EnvironmentProblem(f"{root} cannot hold a run: {reason}", hint)
