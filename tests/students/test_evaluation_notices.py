"""What an evaluation says of figures that mean nothing, and how it names students of one name."""

from __future__ import annotations

from pathlib import Path

from rankgen.students.evaluation.notices import notices_of
from rankgen.students.evaluation.systems import System, unique_names

QRELS = {"q1": {"a": 1, "b": 0}, "q2": {"c": 2}}


def run(name: str, scores: dict[str, dict[str, float]]) -> System:
    return System(name, "run", f"{name}.trec", scores)


def test_lists_that_name_documents_otherwise_are_said() -> None:
    sound = run("sound", {"q1": {"b": 2.0, "x": 1.0}, "q2": {"c": 1.0}})
    other = run("other", {"q1": {"doc_a": 2.0, "b": 1.0}, "q2": {"doc_c": 1.0}})
    (said,) = notices_of([sound, other], QRELS)
    assert said.startswith("other.trec: no judged list holds a passage that is judged relevant")


def test_judgements_without_a_relevant_passage_are_said_once() -> None:
    lists = {"q1": {"a": 2.0, "b": 1.0}}
    (said,) = notices_of([run("one", lists), run("two", lists)], {"q1": {"a": 0, "b": -1}})
    assert said.startswith("no passage is judged relevant")


def test_students_in_folders_of_one_name_are_told_apart_by_the_folder_above() -> None:
    folders = [Path("runs", seed, "student") for seed in ("seed1", "seed2")]
    systems = [System(path.name, "student", str(path), {}) for path in folders]
    named = unique_names([*systems, System("student", "student", "student", {})])
    assert [system.name for system in named] == [
        "student [seed1]",
        "student [seed2]",
        "student [student]",
    ]
