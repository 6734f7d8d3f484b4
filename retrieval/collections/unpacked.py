"""Collections that come as one zip file, as BEIR's do: unpacked once, into the cache."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from rankgen.manifests.errors import UsageError, reason_of
from rankgen.manifests.progress import progress
from rankgen.manifests.storage.digest import sha256_of_file
from rankgen.retrieval.cache import cache_root, cached_folder


def unpacked_folder(archive: Path) -> Path:
    """Returns the folder of a zip file's content; a single folder inside it is entered.

    Raises:
        UsageError: The file is missing, no zip file, damaged, encrypted or oddly compressed.
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
    # An encrypted member and an unknown compression are RuntimeErrors, damaged data is zlib's.
    except (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error) as error:
        raise UsageError(
            f"{archive} cannot be unpacked: {reason_of(error)}",
            "fetch it again, or name its unpacked folder",
        ) from None
    inside = [path for path in folder.iterdir() if not path.name.startswith((".", "__"))]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
