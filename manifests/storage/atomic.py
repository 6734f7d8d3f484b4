"""File writes that are whole or absent, on a disk and in an object store.

On a disk: temporary file, fsync, then one atomic step. In a store: see `object_store`.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from rankgen.manifests.errors import UsageError
from rankgen.manifests.storage import object_store
from rankgen.manifests.storage.object_store import is_remote


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary local path; on success that file is fsynced and replaces `path`.

    When the block raises, the temporary file is removed and `path` is unchanged.
    """
    if is_remote(path):
        with tempfile.TemporaryDirectory(prefix="rankgen-") as folder:
            yield Path(folder) / path.name
            object_store.upload(Path(folder) / path.name, path)
        return
    make_folder(path.parent)
    draft = _draft_of(path)
    try:
        yield draft
        fsync_file(draft)
        os.replace(draft, path)
        fsync_directory(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def file_exists(path: Path) -> bool:
    """Tells whether the file exists."""
    return object_store.object_exists(path) if is_remote(path) else path.exists()


@contextlib.contextmanager
def local_file(path: Path) -> Iterator[Path]:
    """Yields `path` itself, or for an object a local copy that lasts while the block runs.

    Raises:
        FileNotFoundError: The object does not exist.
    """
    if not is_remote(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="rankgen-") as folder:
        object_store.download(path, Path(folder) / path.name)
        yield Path(folder) / path.name


def write_whole(path: Path, content: bytes) -> None:
    """Replaces `path` by `content`; a reader sees the old bytes or the new ones, never a mix."""
    if is_remote(path):
        object_store.write_object(path, content)
        return
    with whole_file(path) as draft:
        draft.write_bytes(content)


def put_if_absent(path: Path, content: bytes) -> bool:
    """Creates `path` with `content` unless it exists; of several concurrent calls one succeeds.

    Returns:
        True if this call created the file, False if it existed already. In an object store a file
        with exactly this content counts as created; see `object_store.create_object`.
    """
    if is_remote(path):
        return object_store.create_object(path, content)
    make_folder(path.parent)
    draft = _draft_of(path)
    try:
        draft.write_bytes(content)
        fsync_file(draft)
        try:
            os.link(draft, path)
        except OSError as error:
            # A network file system may make the link and lose its answer; the repeated request
            # then says that the file exists. Whether the file is ours tells the two cases apart.
            if not _is_same_file(draft, path):
                if isinstance(error, FileExistsError):
                    return False
                raise
        fsync_directory(path.parent)
        return True
    finally:
        draft.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Makes a folder and its parents and fsyncs each: a file is only as safe as its folder."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        fsync_directory(folder.parent)


def refuse_current_folder(folder: Path) -> None:
    """Refuses the working directory, in place of which no whole folder can be put.

    Raises:
        UsageError: It is the working directory.
    """
    if not is_remote(folder) and folder.resolve() == Path.cwd():
        raise UsageError(
            f"{folder} is the working directory, which cannot be replaced by a whole folder",
            "name a new folder in it: --out FOLDER",
        )


def publish(source: Path, public: Path) -> None:
    """Makes a finished file visible under its public name; repeating the call is harmless.

    On a disk the file is moved. In a store it is copied and `source` stays, so that a process that
    copied an older file over `public` can put the newer one back.

    Raises:
        FileNotFoundError: `source` does not exist, or no longer.
    """
    if is_remote(public):
        object_store.copy_object(source, public)
        return
    make_folder(public.parent)
    os.replace(source, public)
    fsync_directory(public.parent)


def share_file(source: Path, public: Path) -> None:
    """Makes a finished file visible as `public` too: a hard link where possible, else a copy."""
    if is_remote(public):
        if is_remote(source):
            object_store.copy_object(source, public)
        else:
            object_store.upload(source, public)
        return
    make_folder(public.parent)
    if is_remote(source):
        with whole_file(public) as draft:
            object_store.download(source, draft)
        return
    try:
        os.link(source, public)
    except FileExistsError:
        return
    except OSError:  # Another device, or no hard links there.
        with whole_file(public) as draft:
            shutil.copyfile(source, draft)
    fsync_directory(public.parent)


def read_files(paths: Sequence[Path]) -> list[bytes]:
    """Returns the bytes of several files of the same run."""
    if paths and is_remote(paths[0]):
        return object_store.read_objects(paths)
    return [path.read_bytes() for path in paths]


def remove_tree(path: Path) -> None:
    """Removes a file, or a folder with its content; what cannot be removed stays."""
    if is_remote(path):
        object_store.remove_objects(path)
    elif path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def fsync_file(path: Path) -> None:
    """Forces a file's bytes to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_directory(path: Path) -> None:
    """Forces a directory's entries to the disk, where the file system supports it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some network file systems refuse to sync a directory; there the rename is as safe as the
        # file system makes it.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(file: io.RawIOBase, content: bytes) -> None:
    """Writes all of `content` to an unbuffered file, whose `write` may take only a part."""
    left = memoryview(content)
    while left:
        # A file that would block returns None; files on a disk never do.
        left = left[file.write(left) or 0 :]


def _is_same_file(draft: Path, path: Path) -> bool:
    try:
        return os.path.samefile(draft, path)
    except OSError:
        return False


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.draft")
