"""The files of a source on this machine: a file, a folder with all below it, or a zip archive."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from rankgen.manifests.errors import UsageError, reason_of
from rankgen.manifests.forms.files.opened import COMPRESSED
from rankgen.manifests.forms.sources.base import Kind, Part, Source
from rankgen.manifests.storage.digest import sha256_of_file, sha256_of_value

# What is looked for in folders and archives; a file that is named itself may be called anything.
KINDS: dict[str, Kind] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    **dict.fromkeys((".tsv", ".txt", ".run", ".trec", ".res"), "text"),
}
_HINT = "name a .jsonl, .json, .parquet, .tsv or .run file (also .gz, .zst, .zip), or their folder"


def local_source(path: Path, unpacked: Path) -> Source:
    """Finds the files of a path; those of a zip archive are unpacked.

    Args:
        path: A file, a folder, or a .zip file of either.
        unpacked: An empty folder for what archives hold.

    Raises:
        UsageError: There is no such path, it holds no file that can be read, or an archive is
            damaged.
    """
    if path.is_dir():
        parts = _below(path, str(path))
        archives = [found for found in _visible(path) if found.suffix == ".zip"]
    elif path.is_file():
        archives = [path] if path.suffix == ".zip" else []
        parts = [] if archives else [Part(str(path), path, kind_of(path.name) or "text")]
    else:
        raise UsageError(f"there is no file or folder {path}", "check the path")
    for number, archive in enumerate(archives):
        parts += _archived(archive, unpacked / str(number))
    if not parts:
        raise UsageError(f"{path} holds no file of rankings", _HINT)
    digests = [sha256_of_file(part.path) for part in parts]
    return Source(str(path), tuple(parts), sha256_of_value(digests))


def kind_of(name: str) -> Kind | None:
    """Returns how a file of that name is written; None for one that holds no rows."""
    plain = name
    for suffix in COMPRESSED:
        plain = plain.removesuffix(suffix)
    return KINDS.get(Path(plain).suffix)


def _archived(archive: Path, folder: Path) -> list[Part]:
    try:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
    # Encryption and unknown compression raise RuntimeError, damaged data raises zlib.error.
    except (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error) as error:
        raise UsageError(
            f"{archive} cannot be unpacked: {reason_of(error)}", "download it again"
        ) from None
    return _below(folder, f"{archive}!")


def _visible(folder: Path) -> list[Path]:
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    shown = (path for path in found if not any(part[0] in "._" for part in path.parts))
    return [folder / path for path in sorted(shown, key=Path.as_posix)]


def _below(folder: Path, told: str) -> list[Part]:
    parts = []
    for path in _visible(folder):
        name = path.relative_to(folder)
        kind = kind_of(path.name) if path.is_file() else None
        if kind is not None:
            config = name.parts[0] if len(name.parts) > 1 else ""
            parts.append(Part(f"{told}/{name.as_posix()}", path, kind, config))
    return parts
