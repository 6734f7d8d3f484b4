"""Opens a file of a source as it is written, whatever it is compressed with."""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator
from typing import IO, cast

import pyarrow as pa

from rankgen.manifests.errors import UsageError, reason_of
from rankgen.manifests.forms.sources.base import Part

COMPRESSED = (".gz", ".zst")
_BUFFER_BYTES = 1 << 20
# What a file begins with that was packed and then renamed.
_GZIP = b"\x1f\x8b"


@contextlib.contextmanager
def opened(part: Part) -> Iterator[IO[bytes]]:
    """Opens a file for reading from its start; its bytes are those before compression.

    Raises:
        UsageError: The file is missing, cannot be read, or what it was compressed to is damaged
            or cut short; also while the block reads it.
    """
    try:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(part.path.open("rb"))
            if part.path.suffix == ".gz" or file.peek(2).startswith(_GZIP):
                unpacked = stack.enter_context(gzip.open(file))
                yield cast(IO[bytes], io.BufferedReader(cast(io.RawIOBase, unpacked), 1 << 20))
            elif part.path.suffix == ".zst":
                unpacked = stack.enter_context(pa.CompressedInputStream(file, "zstd"))
                yield cast(IO[bytes], io.BufferedReader(cast(io.RawIOBase, unpacked), 1 << 20))
            else:
                yield file
    except FileNotFoundError:
        raise UsageError(f"there is no file {part.name}", "check the path") from None
    # gzip raises all three, for a foreign file, a cut and a damaged one.
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(
            f"{part.name} cannot be read: {reason_of(error)}", "was it copied whole?"
        ) from None
