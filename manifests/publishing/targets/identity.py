"""The identity of a data set that is published already, from its manifest."""

from __future__ import annotations

import json

from rankgen.manifests.publishing.statement import PUBLICATION_TYPE


def identity_in(manifest: bytes) -> str | None:
    """Returns the identity in a manifest.json; None where `rankgen publish` did not write it."""
    try:
        content = json.loads(manifest)
        if content["predicateType"] != PUBLICATION_TYPE:
            return None
        return str(content["predicate"]["identity"])
    except (ValueError, KeyError, TypeError):
        return None
