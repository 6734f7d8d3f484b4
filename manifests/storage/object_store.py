"""Runs in an S3-compatible store: `s3://bucket/folder` as a path, and what S3 does differently.

An object is whole or absent, so an upload needs no temporary file. S3 cannot rename (a file is
published by a copy) or append (see `teachers.journal`). The commit record needs a conditional
create (`If-None-Match: *`), which `store_probe` checks before any work.
"""

from __future__ import annotations

import contextlib
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
# The name of an object's own metadata that holds its SHA-256.
_DIGEST = "sha256"


class ListedObject(NamedTuple):
    """An object as a listing describes it.

    Attributes:
        tag: Usually equal for equal contents.
        size: In bytes.
        changed: When it was written, in seconds since 1970.
    """

    tag: str
    size: int
    changed: float


def open_root(named: Path | str) -> Path:
    """Returns the folder that a user named: a `Path`, or a `UPath` for `s3://bucket/folder`.

    Raises:
        UsageError: `named` is a URL of another kind, or has no bucket.
        EnvironmentProblem: The packages for S3 are not installed.
    """
    if not isinstance(named, str) or "://" not in named:
        return Path(named) if isinstance(named, str) else named
    bucket, _, folder = named.removeprefix(SCHEME).partition("/")
    # The client would read these characters as patterns, versions or queries.
    if not named.startswith(SCHEME) or not bucket or set(folder) & set("*?[]#"):
        raise UsageError(
            f"a run cannot be stored at {named}",
            "name a folder or s3://BUCKET/FOLDER, without any of * ? [ ] #",
        )
    try:
        import s3fs  # noqa: F401  # UPath imports it too late to say that it is missing.
        from upath import UPath
    except ImportError as error:
        raise EnvironmentProblem(
            f"{named} needs the package {error.name}", "pip install 'rankgen-distill[s3]'"
        ) from None
    # Other processes write to the same folders, so a cached listing would be stale at once. With
    # more concurrency the client first asks for a file's size, and our files are small.
    return cast(Path, UPath(named.rstrip("/"), use_listings_cache=False, max_concurrency=1))


def is_remote(path: object) -> bool:
    """Tells whether a path of a run is in an object store."""
    return not isinstance(path, Path)


def create_object(path: Path, content: bytes) -> bool:
    """Creates an object unless it exists; of several concurrent calls one succeeds.

    Returns:
        True if this call created the object, or if the object has exactly this content: the client
        repeats a creation whose answer was lost, and the store then refuses it.
    """
    for attempt in range(CONFLICT_TRIES):
        try:
            _remote(path).fs.pipe_file(_remote(path).path, content, mode="create")
        except OSError as error:
            code = _error_code(error)
            if code in ("ConditionalRequestConflict", "409") and attempt < CONFLICT_TRIES - 1:
                time.sleep(CONFLICT_SECONDS * (attempt + 1))
                continue
            # Some servers do not say which condition failed; this request sets only one.
            if isinstance(error, FileExistsError) or code in ("PreconditionFailed", "412"):
                return read_object(path) == content
            raise
        return True
    raise AssertionError("the last try returns or raises")


def write_object(path: Path, content: bytes) -> None:
    """Writes or replaces an object."""
    _remote(path).fs.pipe_file(_remote(path).path, content)


def upload(draft: Path, path: Path, *, sha256: str | None = None) -> None:
    """Uploads a local file as an object; with a digest, `object_digest` finds it there."""
    more = {} if sha256 is None else {"Metadata": {_DIGEST: sha256}}
    _remote(path).fs.put_file(str(draft), _remote(path).path, **more)


def object_digest(path: Path) -> str | None:
    """Returns the SHA-256 that an object was uploaded with; None without one, or no object."""
    bucket, key, _ = _remote(path).fs.split_path(_remote(path).path)
    try:
        head = _remote(path).fs.call_s3("head_object", Bucket=bucket, Key=key)
    except FileNotFoundError:
        return None
    found = head.get("Metadata", {}).get(_DIGEST)
    return found if isinstance(found, str) else None


def download(path: Path, target: Path) -> None:
    """Downloads an object to a local file."""
    _remote(path).fs.get_file(_remote(path).path, str(target))


def read_object(path: Path) -> bytes:
    """Returns an object's bytes, with one request.

    Raises:
        FileNotFoundError: The object does not exist.
    """
    return cast(bytes, _remote(path).fs.cat_file(_remote(path).path))


def read_objects(paths: Sequence[Path]) -> list[bytes]:
    """Returns the bytes of several objects, requested at the same time."""
    if not paths:
        return []
    names = [_remote(path).path for path in paths]
    found = _remote(paths[0]).fs.cat(names)
    # For a single name fsspec may return its bytes instead of a mapping.
    return [found] if isinstance(found, bytes) else [found[name] for name in names]


def copy_object(source: Path, target: Path) -> None:
    """Copies within the store, with one request; this fails for an object of 5 GiB or more.

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
    """Returns path below the folder -> object, with one request per thousand objects."""
    store, above = _remote(folder).fs, _remote(folder).path.rstrip("/") + "/"
    return {
        name.removeprefix(above): ListedObject(
            entry["ETag"], entry["size"], entry["LastModified"].timestamp()
        )
        for name, entry in store.find(above, detail=True).items()
        if name.startswith(above)
    }


def remove_objects(folder: Path) -> None:
    """Removes an object, or all objects under a folder, if there are any."""
    with contextlib.suppress(FileNotFoundError):
        _remote(folder).fs.rm(_remote(folder).path, recursive=True)


def object_exists(path: Path) -> bool:
    """Tells whether an object exists, with one request; the client's own check also lists."""
    bucket, key, _ = _remote(path).fs.split_path(_remote(path).path)
    try:
        _remote(path).fs.call_s3("head_object", Bucket=bucket, Key=key)
    except FileNotFoundError:
        return False
    return True


def store_problem(error: BaseException) -> EnvironmentProblem | None:
    """Maps an exception of the S3 client to an EnvironmentProblem; returns None for any other."""
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
