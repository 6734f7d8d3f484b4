"""An evaluation says which students were chosen by its own judgements."""

from __future__ import annotations

import json
from pathlib import Path

from rankgen.students.evaluation.selection import chosen_by
from rankgen.students.evaluation.systems import System

JUDGED = "sha256:" + "1" * 64


def student(folder: Path, facts: object) -> System:
    folder.mkdir()
    (folder / "rankgen.json").write_text(json.dumps({"kind": "student", "facts": facts}))
    return System(folder.name, "student", str(folder), {})


def test_students_are_named_that_the_judgements_chose(tmp_path: Path) -> None:
    systems = [
        student(tmp_path / "one", {"validation_qrels_sha256": JUDGED}),
        student(tmp_path / "several", {"validation_qrels_sha256": ["sha256:2", JUDGED]}),
        student(tmp_path / "soup", {"validation": [["sha256:3", JUDGED], None, 100]}),
        student(tmp_path / "other", {"validation_qrels_sha256": "sha256:2"}),
        student(tmp_path / "odd", None),
        System("public", "student", "somebody/reranker", {}),
        System("run", "run", str(tmp_path / "one"), {}),
    ]
    said = list(chosen_by(systems, JUDGED))
    assert [sentence.split(" ")[0] for sentence in said] == ["one", "several", "soup"]
    assert "no test" in said[0]
