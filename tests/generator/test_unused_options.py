"""An option that a teacher would not follow is refused, so that nobody believes it was followed."""

from __future__ import annotations

import pytest

from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import UsageError

SERVER = {"model": "m", "base_url": "http://x/v1"}


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        ({"teacher": "minilm", "context_size": 512}, "--context-size"),
        ({"teacher": "minilm", "dtype": "bfloat16"}, "--dtype"),
        ({"teacher": "minilm", "revision": "main"}, "--revision"),
        ({"teacher": "judged:qrels", "model": "m"}, "--model"),
        ({"teacher": "scripted:hash", "on_malformed": "retry"}, "--on-malformed"),
        ({"teacher": "rank-llm:m", "model": "m"}, "--model"),
        ({"teacher": "rank-llm:m", "dtype": "float32"}, "--dtype"),
        ({"teacher": "pointwise", "model": "m", "tokenizer": "other"}, "--tokenizer"),
        ({"teacher": "pairwise", "on_malformed": "quarantine", **SERVER}, "--on-malformed"),
    ],
)
def test_what_a_teacher_would_ignore_is_refused(settings: dict[str, object], option: str) -> None:
    with pytest.raises(UsageError, match=f"has no use for {option}"):
        LabelSettings.model_validate(settings).resolved()


@pytest.mark.parametrize("asked", [{"dtype": "float16"}, {"tensor_parallel": 2}])
@pytest.mark.parametrize("teacher", ["listwise", "pairwise"])
def test_what_a_server_decides_itself_is_refused(teacher: str, asked: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="belongs to vLLM in the workers"):
        LabelSettings.model_validate({"teacher": teacher, **SERVER, **asked}).resolved()


@pytest.mark.parametrize(
    "settings",
    [
        {"teacher": "minilm"},
        {"teacher": "rank-llm:m", "context_size": 6000},
        {"teacher": "pairwise", "tokenizer": "rankzephyr", **SERVER},
        {"teacher": "listwise", "on_malformed": "retry", **SERVER},
    ],
)
def test_settled_settings_are_taken_again(settings: dict[str, object]) -> None:
    settled = LabelSettings.model_validate(settings).resolved()
    assert settled.resolved() == settled
