"""Paths of this machine in values that others will read: each is cut to its last part."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath


def is_local_path(value: str) -> bool:
    """Tells whether a text is a path and cannot be a model id."""
    return (
        PurePosixPath(value).is_absolute()
        or PureWindowsPath(value).is_absolute()
        or value.startswith((".", "~"))
    )


def file_name(path: str) -> str:
    """Returns the last part of a path of any operating system."""
    kind = PureWindowsPath if PureWindowsPath(path).is_absolute() else PurePosixPath
    return kind(path).name or path
