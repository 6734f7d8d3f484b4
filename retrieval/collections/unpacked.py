"""Collections in a zip file, such as BEIR's, unpacked once into the cache."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from rankgen.manifests.errors import UsageError, reason_of
from rankgen.manifests.progress import progress
from rankgen.manifests.storage.digest import sha256_of_file
from rankgen.retrieval.cache import cache_root, cached_folder


def unpacked_folder(archive: Path) -> Path:
    """Returns the folder with a zip file's content, or the only folder inside it.

    Raises:
        UsageError: The file is missing, not a zip file, damaged, encrypted or compressed by an
            unknown method.
    """
    if not archive.is_file():
        raise UsageError(f"there is no file {archive}", "check the path")

    def unpack(draft: Path) -> None:
        with zipfile.ZipFile(archive) as packed:
            members = packed.infolist()
            with progress(f"unpack {archive.name}", len(members)) as shown:
                for member in members:
                    packed.extract(member, draft)
                    shown.advance()

    entry = cache_root().resolve() / "unpacked" / sha256_of_file(archive)[:32]
    try:
        folder = cached_folder(entry, unpack)
    # Encryption and unknown compression raise RuntimeError, damaged data raises zlib.error.
    except (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error) as error:
        raise UsageError(
            f"{archive} cannot be unpacked: {reason_of(error)}",
            "download it again, or name its unpacked folder",
        ) from None
    inside = [path for path in folder.iterdir() if not path.name.startswith((".", "__"))]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
