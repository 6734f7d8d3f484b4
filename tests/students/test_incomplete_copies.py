"""Folders of which only a part was copied are not learned from."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_training import settings_of

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.run.recipe_lock import tables_digest
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.training.training_facts import training_facts


@pytest.mark.parametrize("table", ["rankings", "documents"])
def test_a_run_without_some_of_its_shards_is_not_learned_from(
    recipe: dict[str, object], rankings: Path, table: str
) -> None:
    whole = RunDirectory(rankings)
    assert tables_digest(whole, (table,))
    whole.shard_path(table, 0, 1).rename(whole.shard_path(table, 0, 3))
    with pytest.raises(IntegrityProblem, match=f"has 1 of the 3 shards of {table}"):
        training_facts(settings_of(recipe))
