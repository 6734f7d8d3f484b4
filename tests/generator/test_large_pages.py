"""Processes take memory in large pages where Linux lends them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rankgen.generator.engines.vllm.large_pages import ask_for_large_pages

LENT = Path("/sys/kernel/mm/transparent_hugepage/enabled")
BLOCK = """
import resource
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    b"x" * 50_000_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, "glibc.malloc.hugetlb=1"),
        ("glibc.malloc.check=1", "glibc.malloc.check=1:glibc.malloc.hugetlb=1"),
        ("glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb=0"),
    ],
)
def test_what_the_environment_says_is_kept(given: str | None, wanted: str) -> None:
    environment = {} if given is None else {"GLIBC_TUNABLES": given}
    ask_for_large_pages(environment)
    assert environment == {"GLIBC_TUNABLES": wanted}


@pytest.mark.skipif(
    not LENT.is_file() or "[never]" in LENT.read_text(), reason="this machine lends no large pages"
)
def test_a_large_block_takes_few_pages() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    ask_for_large_pages(environment)
    ran = subprocess.run(
        [sys.executable, "-c", BLOCK], env=environment, capture_output=True, text=True, check=True
    )
    # 250 MB are 61,000 pages of 4 KiB.
    assert int(ran.stdout) < 30_000
