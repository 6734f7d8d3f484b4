"""Which adapters are trained in place of the weights."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveFloat, model_validator

from rankgen.manifests.options import Option, Settings

ADAPTER_FIELDS = frozenset({"lora_rank", "lora_alpha", "lora_dropout", "lora_targets"})


def _names(given: object) -> object:
    """Reads one name as a list of one."""
    return (given,) if isinstance(given, str) else given


class AdapterSettings(Settings):
    """Low-rank adapters (LoRA); without a rank all weights are trained, and the rest is unused."""

    panel = "Adapters"
    lora_rank: Annotated[
        NonNegativeInt | None,
        Option(
            "Train LoRA adapters of this rank and the head, and no other weight; they want about "
            "ten times the --learning-rate. The student is saved merged, and in adapter/.",
            "all weights are trained",
        ),
    ] = None
    lora_alpha: Annotated[
        PositiveFloat | None,
        Option("What adapters add is scaled by alpha / rank.", "twice --lora-rank"),
    ] = None
    lora_dropout: Annotated[
        float | None, Field(ge=0, lt=1), Option("Rate of the dropout before an adapter.", "0")
    ] = None
    lora_targets: Annotated[
        tuple[str, ...],
        BeforeValidator(_names),
        Option(
            "Linear layers that get an adapter, such as query or q_proj; repeatable.",
            "all of every layer",
            metavar="NAME",
        ),
    ] = ()

    @model_validator(mode="after")
    def _adapters_have_a_rank(self) -> Self:
        others = (name for name in sorted(ADAPTER_FIELDS - {"lora_rank"}) if getattr(self, name))
        if not self.lora_rank and (given := next(others, None)):
            raise ValueError(f"{given} needs --lora-rank N")
        return self

    def adapter_recipe(self) -> dict[str, object]:
        """Returns what of these settings can change the student: nothing without adapters."""
        if not self.lora_rank:
            return {}
        found: dict[str, object] = {
            "lora_rank": self.lora_rank,
            "lora_alpha": self.scale,
            "lora_dropout": self.lora_dropout or 0.0,
        }
        return found | ({"lora_targets": sorted(self.lora_targets)} if self.lora_targets else {})

    @property
    def scale(self) -> float:
        """What is divided by the rank to scale what adapters add."""
        return self.lora_alpha or 2.0 * (self.lora_rank or 0)
