"""Everything that `label` can be told about its teacher, as users write it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import PositiveInt

from rankgen.generator.engines.cost.prices import PriceSettings
from rankgen.generator.engines.settings import EndpointSettings, EngineSettings
from rankgen.generator.teachers.asking import AnswerSettings, WindowSettings
from rankgen.generator.teachers.pair_settings import PairSettings
from rankgen.generator.teachers.presets import TeacherPreset, split_teacher, teachers_in_words
from rankgen.manifests.long_documents.settings import LongDocumentSettings
from rankgen.manifests.options import Option

TeacherName = Annotated[
    str,
    Option(teachers_in_words(), metavar="NAME"),
]


class TeacherOptions(
    WindowSettings,
    AnswerSettings,
    LongDocumentSettings,
    PairSettings,
    EndpointSettings,
    PriceSettings,
    EngineSettings,
):
    """The teacher and how it is asked; None means the teacher's default."""

    teacher: TeacherName = "minilm"
    model: Annotated[
        str | None,
        Option(
            "A Hugging Face id, a folder, or the name that a server knows.",
            "the teacher's",
            metavar="ID|FOLDER|NAME",
        ),
    ] = None
    revision: Annotated[
        str | None, Option("Git revision of the model.", "the newest, pinned when the run begins")
    ] = None
    engine: Annotated[
        Literal["vllm", "openai"] | None,
        Option("vllm in the workers, or openai for a server.", "vllm; openai with --base-url"),
    ] = None
    concurrency: Annotated[
        PositiveInt | None,
        Option(
            "Queries in flight in each worker.",
            "what vLLM's cache holds, then by its queue; 32 for a server, 2000 with --api batch",
        ),
    ] = None
    order: Annotated[
        Literal["score", "rank"] | None,
        Option("How recorded:RUN is ordered: score as trec_eval does, or rank.", "score"),
    ] = None

    @property
    def preset(self) -> TeacherPreset:
        """The named teacher's defaults.

        Raises:
            UsageError: There is no such teacher.
        """
        return split_teacher(self.teacher)[0]

    @property
    def is_served(self) -> bool:
        """Whether a server answers, not vLLM in the workers."""
        return (self.engine or ("openai" if self.base_url else "vllm")) == "openai"
