"""Ids for texts that have none: the same text has the same id in every import."""

from __future__ import annotations

import hashlib

import pyarrow as pa

# 128 bits: among a billion texts two share an id with a probability below 1e-20.
_DIGITS = 32


def id_of_text(text: str) -> str:
    """Returns the first 32 hexadecimal digits of the SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def ids_of_texts(texts: pa.ChunkedArray) -> pa.Array:
    """Returns the id of each text; a text that stands in many rows is digested once."""
    coded = texts.combine_chunks().dictionary_encode()
    ids = pa.array([id_of_text(text) for text in coded.dictionary.to_pylist()], pa.string())
    return ids.take(coded.indices)
