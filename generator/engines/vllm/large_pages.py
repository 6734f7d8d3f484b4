"""How vLLM's worker on a CPU gets memory: in pages of 2 MiB where Linux has them.

C's library returns blocks above 32 MiB to the system as soon as they are free, and the logits of
a step are larger; to get them anew takes ten thousand pages of 4 KiB a step, or twenty large ones.
"""

from __future__ import annotations

from collections.abc import MutableMapping

_VARIABLE, _NAME = "GLIBC_TUNABLES", "glibc.malloc.hugetlb"


def ask_for_large_pages(environment: MutableMapping[str, str]) -> None:
    """Has the processes that start with this environment take large pages, if it says nothing.

    Whoever set the tunable keeps it. A library that does not know it ignores it.
    """
    given = environment.get(_VARIABLE, "")
    if _NAME not in given:
        environment[_VARIABLE] = ":".join(filter(None, [given, f"{_NAME}=1"]))
