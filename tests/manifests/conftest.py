"""What an untouched commit publishes."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_ledger import PLANNED, accept, attempt, make_ledger, public_bytes


@pytest.fixture
def untouched(tmp_path: Path) -> bytes:
    run, ledger = make_ledger(tmp_path / "untouched")
    assert ledger.commit(attempt(run, "a"), PLANNED, accept)
    return public_bytes(run)
