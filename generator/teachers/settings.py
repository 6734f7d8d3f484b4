"""The settings of a teacher: checked, completed and fingerprinted."""

from __future__ import annotations

from rankgen.generator.answers.formats import BRACKETS
from rankgen.generator.answers.permutation import ANSWER_RULES
from rankgen.generator.engines.cost.prices import check_prices
from rankgen.generator.engines.settings import same_answers
from rankgen.generator.prompts.prompt import ListwisePrompt
from rankgen.generator.prompts.sources import prompt_of
from rankgen.generator.strategies.registry import shape_of
from rankgen.generator.strategies.shape import Shape
from rankgen.generator.teachers.llm_defaults import listwise_defaults, llm_defaults
from rankgen.generator.teachers.pair_defaults import pairwise_defaults, pointwise_defaults
from rankgen.generator.teachers.presets import TeacherPreset
from rankgen.generator.teachers.setting_checks import (
    check_prompt,
    check_savings,
    refuse_listwise_settings,
    refuse_model_settings,
    refuse_pair_settings,
    refuse_savings,
)
from rankgen.generator.teachers.teacher_options import TeacherOptions
from rankgen.manifests.errors import UsageError
from rankgen.manifests.long_documents.rule import NAMES as CHUNK_NAMES
from rankgen.manifests.storage.digest import canonical_json

# Settings that say where and how fast, not what; two runs that differ in them are the same run.
_NOT_IDENTITY = frozenset(
    {
        "engines_per_gpu",
        "base_url",
        "batch_seconds",
        "max_cost",
        "price_in",
        "price_out",
        "concurrency",
        "request_timeout_s",
        "gpu_memory_utilization",
        "cpu_kv_cache_gib",
        "drafts",
        "whole_answers",
    }
)
_PEERS_IN_FLIGHT = 32
# Runs without them keep the fingerprints they had before there were such settings.
_ABSENT_IF_UNUSED = (
    *("order", "lora", "thinking_tokens", "top", "shuffle"),
    *("pair_prompt", "instruction", "keep_top"),
    *CHUNK_NAMES,
)


class LabelSettings(TeacherOptions):
    """The teacher and how it is asked; None means the teacher's default (see `resolved`)."""

    def listwise_prompt(self) -> ListwisePrompt | None:
        """Returns the prompt of resolved settings; None for a teacher without one.

        Raises:
            UsageError: There is no such prompt.
        """
        return None if self.prompt is None else prompt_of(self.prompt)

    def resolved(self) -> LabelSettings:
        """Returns the settings with every default of the teacher filled in; idempotent.

        Raises:
            UsageError: Unknown teacher or prompt, a missing model or address, a setting
                that the teacher has no use for, or a window that would skip candidates.
        """
        preset = self.preset
        check_prices(self, is_served=preset.asks_llm and self.is_served)
        shape = shape_of(self.strategy, self.shape, Shape(preset.window, preset.stride))
        filled: dict[str, object] = shape._asdict()
        filled |= dict.fromkeys(CHUNK_NAMES) | self.chunk_values()
        if self.chunk_rule is not None and not preset.reads_texts:
            raise UsageError(
                f"the teacher '{preset.name}' reads no texts and has no use for --long-documents",
                "leave it out",
            )
        if preset.takes_order:
            filled["order"] = self.order or "score"
        elif self.order is not None:
            raise UsageError(f"the teacher '{preset.name}' has no use for --order", "leave it out")
        return self.model_copy(update=filled | self._of_kind(preset, shape))

    def _of_kind(self, preset: TeacherPreset, shape: Shape) -> dict[str, object]:
        """Returns what only this kind of teacher has, after refusing what only others have."""
        if preset.kind not in ("pointwise", "pairwise"):
            refuse_pair_settings(self, preset.name)
        if preset.kind != "listwise":
            refuse_savings(self, self.teacher)
        if preset.kind == "listwise":
            filled = listwise_defaults(self, preset)
            prompt, window = prompt_of(str(filled["prompt"])), shape.window or 0
            check_prompt(prompt, self, preset, window, is_served=self.is_served)
            check_savings(self, self, prompt, preset, self.is_served)
            return filled
        if preset.kind == "pointwise":
            return pointwise_defaults(self)
        if preset.kind == "pairwise":
            return pairwise_defaults(self) or llm_defaults(self, preset)
        may_serve = ("base_url",) if preset.is_peer else ()
        refuse_listwise_settings(self, self.teacher, but=may_serve)
        refuse_model_settings(self, preset)
        in_flight = self.concurrency or (_PEERS_IN_FLIGHT if preset.is_peer else 1)
        return {"model": self.model or preset.model, "concurrency": in_flight}

    def identity(self) -> dict[str, object]:
        """Returns the resolved settings that change results, as JSON values; the fingerprint.

        A run file is named by its path here; its content is in the teacher's own identity. How
        answers are read concerns only teachers that write some.
        """
        settings = self.resolved()
        values: dict[str, object] = {
            name: value
            for name, value in settings.model_dump(mode="json", exclude={"engine_args"}).items()
            if name not in _NOT_IDENTITY
        }
        # All of them count, also those that change only the speed: their names do not say which.
        for name, value in settings.engine_args.items():
            is_plain = value is None or isinstance(value, str | int | float | bool)
            values[f"engine_args.{name}"] = value if is_plain else canonical_json(value)
        prompt = settings.listwise_prompt()
        values["api"] = same_answers(settings.api)
        # The key is older than other prompts than profiles.
        del values["prompt"]
        values["prompt_profile"] = prompt.name if prompt else None
        for name in _ABSENT_IF_UNUSED:
            if values[name] is None:
                del values[name]
        if not settings.constrained:
            del values["constrained"]
        if settings.input_order == "retrieved":
            del values["input_order"]
        if prompt is None:
            if settings.preset.kind != "pairwise":
                del values["min_named"]
            return values
        if prompt.form is not BRACKETS:
            values["answer_format"] = prompt.form.name
        return values | {"answer_rules": ANSWER_RULES}
