"""A student that is being shipped: loaded, with what it is compared on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.model_source import pinned_model
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.hardware import Hardware, choose_hardware
from rankgen.students.model.loading import load_cross_encoder
from rankgen.students.shipping.int8 import resolved_bits
from rankgen.students.shipping.onnx_export import weight_bytes
from rankgen.students.shipping.openvino_export import check_openvino
from rankgen.students.shipping.quality import Scorer
from rankgen.students.shipping.settings import ShipSettings
from rankgen.students.shipping.shipped import Shipped
from rankgen.students.shipping.validation_set import (
    ValidationSet,
    validation_set,
    was_learned,
)
from rankgen.students.training.learned_queries import learned_among, learned_by, unknown_notice


@dataclass(frozen=True)
class Work:
    """A student, and what was asked for.

    Attributes:
        held: What to compare on; None for nothing.
        weight_bits: 32, or 8 or 7 of quantised weights.
        notices: What must be known of the comparison, one sentence each.
    """

    settings: ShipSettings
    encoder: CrossEncoder
    hardware: Hardware
    held: ValidationSet | None
    weight_bits: int
    notices: tuple[str, ...] = ()

    @property
    def student(self) -> Scorer:
        """The student as PyTorch computes it."""
        return self.encoder, self.hardware

    def planned(self) -> Shipped:
        """Returns what is known beforehand."""
        return Shipped(
            out=self.settings.out,
            format=self.settings.format,
            weight_bits=self.weight_bits,
            parameters=weight_bytes(self.encoder.model) // 4,
            student_bytes=weight_bytes(self.encoder.model),
            queries=0 if self.held is None else len(self.held.qrels),
            pairs=0 if self.held is None else self.held.pairs,
            notices=self.notices,
        )


def prepared(settings: ShipSettings) -> Work:
    """Loads the student and reads the validation set.

    Raises:
        UsageError: There is no such student, or servers would misread it.
        EnvironmentProblem: A package is missing, or this CPU would compute wrong scores.
    """
    if settings.format == "openvino":
        check_openvino()
    is_int8 = settings.format == "onnx-int8"
    weight_bits = resolved_bits(settings.weight_bits) if is_int8 else 32
    hardware = choose_hardware("cpu", "fp32", threads=settings.threads)
    encoder = load_cross_encoder(pinned_model(settings.student))
    # Servers would not know of a prompt, nor which of two outputs counts.
    has_more = encoder.relevant is not None or encoder.prompt
    if encoder.whole is not None or encoder.write is None or has_more:
        raise UsageError(
            f"{settings.student} is {encoder.kind}, which is not shipped",
            "serve it with vLLM or transformers",
        )
    held = validation_set(settings)
    notices = () if held is None else (*held.notices, *_learned_notices(settings, held))
    return Work(settings, encoder, hardware, held, weight_bits, notices)


def _learned_notices(settings: ShipSettings, held: ValidationSet) -> Iterator[str]:
    """Yields a sentence if the student learned from queries that it is compared on."""
    where = settings.rankings or settings.candidates
    end = "so that the comparison says little of other queries"
    if settings.rankings is not None and was_learned(settings.student, settings.rankings):
        yield f"{settings.student} was trained on {where}, {end}"
        return
    learned = learned_by(pinned_model(settings.student))
    if learned is None:
        yield unknown_notice(settings.student, str(where))
    elif shared := learned_among(learned, held.queries):
        yield (
            f"{settings.student} learned from {len(shared):,} of the {len(held.qrels):,} queries "
            f"of {where}, such as {shared[0]}, {end}"
        )
