"""Runs on an S3-compatible store: `s3://bucket/folder` as a path, and what S3 does its own way.

An object is whole or absent, so a plain upload needs no draft. What S3 lacks is renaming (a file is
published by a copy) and appending (see `teachers.journal`). The commit record needs a
conditional create (`If-None-Match: *`), which `store_probe` checks before any work.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from rankgen.manifests.errors import EnvironmentProblem, UsageError, reason_of

if TYPE_CHECKING:
    from upath import UPath

SCHEME = "s3://"
CONFLICT_TRIES = 8
CONFLICT_SECONDS = 0.1


class ListedObject(NamedTuple):
    """What a listing says of an object.

    Attributes:
        tag: As a rule equal for equal contents.
        size: In bytes.
        changed: When it was written, in seconds since 1970.
    """

    tag: str
    size: int
    changed: float


def open_root(named: Path | str) -> Path:
    """Returns the folder that a user named: a `Path`, or for `s3://bucket/folder` its equal there.

    Raises:
        UsageError: It is a URL of another kind, or names no bucket.
        EnvironmentProblem: The packages for S3 are not installed.
    """
    if not isinstance(named, str) or "://" not in named:
        return Path(named) if isinstance(named, str) else named
    bucket, _, folder = named.removeprefix(SCHEME).partition("/")
    # The store's client would take these characters for patterns, versions or queries.
    if not named.startswith(SCHEME) or not bucket or set(folder) & set("*?[]#"):
        raise UsageError(
            f"{named} is no place for a run",
            "name a folder or s3://BUCKET/FOLDER, without any of * ? [ ] #",
        )
    try:
        import s3fs  # noqa: F401  # UPath imports it too late to explain its absence.
        from upath import UPath
    except ImportError as error:
        raise EnvironmentProblem(
            f"{named} needs the package {error.name}", "pip install 'rankgen-distill[s3]'"
        ) from None
    # Another process writes to the same folders: what a listing said is stale at once. A client
    # that may read a file in parallel parts asks for its size before, and our files are small.
    return cast(Path, UPath(named.rstrip("/"), use_listings_cache=False, max_concurrency=1))


def is_remote(path: object) -> bool:
    """Says whether a path of a run is in an object store."""
    return not isinstance(path, Path)


def create_object(path: Path, content: bytes) -> bool:
    """Creates an object unless it exists; of any number of racers one wins.

    Returns:
        True if the object has this content by this call. A creation whose answer was lost on the
        way is repeated and then refused, so an object that has exactly this content counts as ours.
    """
    for attempt in range(CONFLICT_TRIES):
        try:
            _remote(path).fs.pipe_file(_remote(path).path, content, mode="create")
        except OSError as error:
            code = _error_code(error)
            if code in ("ConditionalRequestConflict", "409") and attempt < CONFLICT_TRIES - 1:
                time.sleep(CONFLICT_SECONDS * (attempt + 1))
                continue
            # Some servers do not say which condition failed; we set only one.
            if isinstance(error, FileExistsError) or code in ("PreconditionFailed", "412"):
                return read_object(path) == content
            raise
        return True
    raise AssertionError("the last try returns or raises")


def write_object(path: Path, content: bytes) -> None:
    """Writes an object, or replaces it."""
    _remote(path).fs.pipe_file(_remote(path).path, content)


def upload(draft: Path, path: Path) -> None:
    """Writes a local file to an object."""
    _remote(path).fs.put_file(str(draft), _remote(path).path)


def download(path: Path, target: Path) -> None:
    """Writes an object to a local file."""
    _remote(path).fs.get_file(_remote(path).path, str(target))


def read_object(path: Path) -> bytes:
    """Returns an object's bytes, by one request.

    Raises:
        FileNotFoundError: There is none.
    """
    return cast(bytes, _remote(path).fs.cat_file(_remote(path).path))


def read_objects(paths: Sequence[Path]) -> list[bytes]:
    """Returns the bytes of several objects, asked for at the same time."""
    if not paths:
        return []
    names = [_remote(path).path for path in paths]
    found = _remote(paths[0]).fs.cat(names)
    # For a single name fsspec may return its bytes instead of a mapping.
    return [found] if isinstance(found, bytes) else [found[name] for name in names]


def copy_object(source: Path, target: Path) -> None:
    """Copies within the store, by one request; an object of 5 GiB or more cannot be copied so.

    Raises:
        FileNotFoundError: There is no `source`.
    """
    store = _remote(target).fs
    bucket, key, _ = store.split_path(_remote(target).path)
    from_bucket, from_key, _ = store.split_path(_remote(source).path)
    # The client's own copy asks for the source's size first.
    store.call_s3(
        "copy_object", Bucket=bucket, Key=key, CopySource={"Bucket": from_bucket, "Key": from_key}
    )


def listed_objects(folder: Path) -> dict[str, ListedObject]:
    """Returns every object under a folder by its path below it, a request a thousand objects."""
    store, above = _remote(folder).fs, _remote(folder).path.rstrip("/") + "/"
    return {
        name.removeprefix(above): ListedObject(
            entry["ETag"], entry["size"], entry["LastModified"].timestamp()
        )
        for name, entry in store.find(above, detail=True).items()
        if name.startswith(above)
    }


def remove_objects(folder: Path) -> None:
    """Removes an object, or all objects under a folder; there may be none."""
    try:
        _remote(folder).fs.rm(_remote(folder).path, recursive=True)
    except FileNotFoundError:
        return


def object_exists(path: Path) -> bool:
    """Says whether there is an object, by one request; the client's own look lists a folder too."""
    bucket, key, _ = _remote(path).fs.split_path(_remote(path).path)
    try:
        _remote(path).fs.call_s3("head_object", Bucket=bucket, Key=key)
    except FileNotFoundError:
        return False
    return True


def store_problem(error: BaseException) -> EnvironmentProblem | None:
    """Returns what an exception of the S3 client says of this machine; None if it is another's."""
    if not type(error).__module__.startswith(("botocore.", "aiobotocore.")):
        return None
    return EnvironmentProblem(
        f"the S3 store cannot be used: {reason_of(error)}",
        "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL, or the AWS profile",
    )


def _error_code(error: BaseException) -> str:
    response = getattr(error.__cause__, "response", None)
    details = response.get("Error", {}) if isinstance(response, dict) else {}
    return str(details.get("Code", ""))


def _remote(path: Path) -> UPath:
    return cast("UPath", path)
