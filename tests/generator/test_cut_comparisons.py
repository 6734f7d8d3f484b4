"""Pairwise answers that the token limit cut: the rest of a sentence may name the other passage."""

from __future__ import annotations

import asyncio

import pytest
from faulty_server import answer, serving

from rankgen.generator.answers.outcomes import TeacherFailure, WindowOutcome
from rankgen.generator.answers.pair_answer import read_letter
from rankgen.generator.teachers.registry import make_teacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Document, Query

pytest.importorskip("openai")


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Passage A tells of salt, while", None),
        ("Passage A tells of salt. It", None),
        ("Passage A is more relevant than", None),
        ("Passage A", "A"),
        ("B", "B"),
        ("Passage B. It tells of", "B"),
        ("**Passage B**\n\nThe reason", "B"),
        ("Passage A. Passage B tells of", None),
        ("<think>Passage A. So", None),
    ],
)
def test_what_a_cut_answer_prefers(text: str, letter: str | None) -> None:
    assert read_letter(text, is_cut=True) == letter


def test_cut_sentences_are_no_label_and_the_failure_says_what_helps() -> None:
    passages = [Document(str(n), "", f"passage {n} of many") for n in range(2)]
    with serving(
        lambda request, seen: answer("Passage A tells of salt, while", "length")
    ) as server:
        teacher = make_teacher(LabelSettings(teacher="pairwise", model="m", base_url=server.url))
        with pytest.raises(TeacherFailure, match="raise --max-output-tokens") as failed:
            asyncio.run(teacher.rank_window(Query("q", "what"), passages))
    assert failed.value.outcome is WindowOutcome.MALFORMED
