"""The licence of a published data set: what the Hub calls it, and when texts may not go out."""

from __future__ import annotations

import re
from typing import NamedTuple

from rankgen.manifests.errors import UsageError

# Licences that the Hub knows by an id of its own; it refuses cards with any other.
_KNOWN = (
    "apache-2.0 mit bsd bsd-2-clause bsd-3-clause cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 "
    "cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 "
    "cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 "
    "cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl "
    "lgpl-2.1 lgpl-3.0 agpl-3.0 mpl-2.0 odc-by odbl pddl unlicense wtfpl afl-3.0 artistic-2.0 "
    "bsl-1.0 ecl-2.0 epl-2.0 eupl-1.1 eupl-1.2 isc ms-pl ncsa osl-3.0 postgresql zlib"
)
HUB_LICENCES = frozenset(_KNOWN.split())
# SPDX ids that the Hub writes in another way.
_HUB_NAMES = {"odc-by-1.0": "odc-by", "odbl-1.0": "odbl", "pddl-1.0": "pddl"}
_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
MS_MARCO_TERMS = "https://microsoft.github.io/msmarco/"


class Licence(NamedTuple):
    """A licence as it was given.

    Attributes:
        id: An SPDX id, or None for a notice in words.
        notice: What was given.
    """

    id: str | None
    notice: str

    @property
    def hub_id(self) -> str:
        """The Hub's name for it, "other" where it has none."""
        name = (self.id or "").lower()
        name = _HUB_NAMES.get(name, name)
        return name if name in HUB_LICENCES else "other"


def parse_licence(given: str | None) -> Licence | None:
    """Returns the licence that a user named; None without one.

    Raises:
        UsageError: The notice is empty.
    """
    if given is None:
        return None
    notice = given.strip()
    if not notice:
        raise UsageError("the licence is empty", "give --licence an SPDX id or a notice in words")
    return Licence(notice if _SPDX.fullmatch(notice) else None, notice)


def check_texts(licence: Licence | None, collection: str | None) -> None:
    """Checks that texts are published with the licence of their collection.

    Args:
        licence: The licence that was given.
        collection: The name of the collection, where it is known.

    Raises:
        UsageError: There is no licence.
    """
    if licence is not None:
        return
    if collection is not None and is_ms_marco(collection):
        raise UsageError(
            f"the texts of {collection} are Microsoft's, for non-commercial research only, and may "
            "not be republished without a notice of that",
            f"omit --with-text, or quote the terms ({MS_MARCO_TERMS}) with --licence",
        )
    raise UsageError(
        f"the texts of {collection or 'a collection'} cannot be published without its licence",
        "omit --with-text, or give --licence the collection's SPDX id or notice",
    )


def is_ms_marco(collection: str) -> bool:
    """Tells whether a collection's name says that it is MS MARCO."""
    return "msmarco" in re.sub(r"[^a-z]", "", collection.lower())
