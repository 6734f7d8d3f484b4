"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA_VARIABLE = "RANKGEN_TEST_DATA"


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real collections; without it the test is skipped, and says so."""
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        pytest.skip(f"{DATA_VARIABLE} is not set: the tests on real collections did not run")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"{DATA_VARIABLE}={named} is not a folder")
    return folder
