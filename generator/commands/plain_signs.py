"""Signs of ours, such as the rules of tables, for terminals whose encoding lacks them."""

from __future__ import annotations

import codecs
from collections.abc import Callable

_ACROSS, _DOWN = "─━═╌╍┄┅┈┉╴╶╸╺", "│┃║╎╏┆┇┊┋╵╷╹╻"
# Each is one character, so that tables stay in line.
_PLAIN = {
    **dict.fromkeys(map(chr, range(0x2500, 0x2580)), "+"),
    **dict.fromkeys(_ACROSS, "-"),
    **dict.fromkeys(_DOWN, "|"),
    **dict(zip("▲▼↑↓→←", "+-^v><", strict=True)),
    **dict(zip("†≈≥≤·…•", "*~><|~*", strict=True)),
}
_BYTES = range(0xDC80, 0xDD00)
_Handler = Callable[[UnicodeError], tuple[str | bytes, int]]


def error_handler(usual: str | None) -> str:
    """Returns the name of an error handler of `io.TextIOWrapper` that knows plain signs.

    Args:
        usual: The handler that takes what has no plain sign. Standard output of a C locale has
            `surrogateescape`, which gives a name of a file its bytes back and fails for the rest,
            and "strict" fails for all; "?" then stands for what is left.
    """
    fallback = usual if usual in ("backslashreplace", "xmlcharrefreplace", "ignore") else "replace"
    name = f"rankgen-plain-{usual}"
    codecs.register_error(name, _plain_or(fallback, has_bytes=usual == "surrogateescape"))
    return name


def _plain_or(
    fallback: str, *, has_bytes: bool
) -> Callable[[UnicodeError], tuple[str | bytes, int]]:
    def handle(error: UnicodeError) -> tuple[str | bytes, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        character, after = error.object[error.start], error.start + 1
        if character in _PLAIN:
            return _PLAIN[character], after
        if ord(character) in _BYTES and has_bytes:
            return bytes([ord(character) - 0xDC00]), after
        one = UnicodeEncodeError(error.encoding, error.object, error.start, after, error.reason)
        said, _ = codecs.lookup_error(fallback)(one)
        return said, after

    return handle
