"""The settings of a call to a teacher: what it shows, how it asks, and how its answer is taken."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from rankgen.generator.answers.permutation import LEAST_NAMED
from rankgen.generator.engines.settings import CONTEXT_SIZE
from rankgen.generator.strategies.orders import InputOrder
from rankgen.generator.strategies.registry import StrategyName, strategies_in_words
from rankgen.generator.strategies.shape import Shape
from rankgen.manifests.options import Option, Settings

OnMalformed = Literal["repair", "retry", "quarantine"]


class WindowSettings(Settings):
    """What is shown in one call."""

    panel = "Windows"
    window: Annotated[int | None, Option("Passages in one call.", "the teacher's")] = None
    stride: Annotated[
        int | None, Option("Positions a sliding window moves up.", "the teacher's")
    ] = None
    passes: Annotated[PositiveInt, Option("Number of passes over each list.")] = 1
    strategy: Annotated[
        StrategyName, Option(f"Which windows are asked: {strategies_in_words()}")
    ] = "sliding"
    top: Annotated[
        PositiveInt | None,
        Option(
            "Ranks that a strategy other than sliding is to get right: tdpart's pivot is the last "
            "of them, so many of a tournament's group go on, setwise sorts so many.",
            "half of the window; 10 for setwise",
        ),
    ] = None
    shuffle: Annotated[
        PositiveInt | None,
        Option(
            "Show each window in this many drawn orders and merge the answers by Borda's count, "
            "against a bias to places; costs as many times the calls.",
            "once, in the list's order",
        ),
    ] = None
    keep_top: Annotated[
        PositiveInt | None,
        Option(
            "Keep the teacher's top N of each list: windows further down then write only the ids "
            "that can still get there, and the top N are the same as without it.",
            "all",
        ),
    ] = None
    input_order: Annotated[
        InputOrder,
        Option("Order in which a list is given: as it was retrieved, reversed, or shuffled."),
    ] = "retrieved"

    @property
    def shape(self) -> Shape:
        """The sizes that the strategy is told, as they stand."""
        return Shape(self.window, self.stride, self.top, self.keep_top)


class AnswerSettings(Settings):
    """How an LLM is prompted, and how its answers are taken."""

    panel = "Prompts and answers"
    prompt: Annotated[
        str | None,
        Option(
            "rank_llm-0.25, rank_llm-0.12, a template FILE.yaml, or rank-llm:NAME for one that the "
            "package rank-llm ships.",
            "the teacher's",
            metavar="NAME|FILE.yaml",
            flags=("--prompt", "--prompt-profile"),
        ),
    ] = None
    context_size: Annotated[
        int | None, Field(ge=64), Option("Tokens of prompt and answer together.", str(CONTEXT_SIZE))
    ] = None
    max_output_tokens: Annotated[
        PositiveInt | None,
        Option("Most tokens of an answer.", "what the ids need"),
    ] = None
    thinking_tokens: Annotated[
        PositiveInt | None,
        Option(
            "Tokens added for the thought of a model that thinks; an answer that spends them all "
            "within it is never a label.",
            "none",
        ),
    ] = None
    on_malformed: Annotated[
        OnMalformed | None, Option("What becomes of a malformed answer.", "repair")
    ] = None
    min_named: Annotated[
        float | None,
        Field(ge=0, le=1),
        Option("Least share of the passages that an answer must name.", str(LEAST_NAMED)),
    ] = None
    constrained: Annotated[
        bool,
        Option(
            "Let the model write nothing but rankings that name each passage once; needs vLLM in "
            "the workers, and changes only answers that would not have been such rankings."
        ),
    ] = False
    whole_answers: Annotated[
        bool,
        Option(
            "Have rankzephyr write answers to their end, also where a single passage is left to "
            "name, which changes no order."
        ),
    ] = False
    tokenizer: Annotated[
        str | None,
        Option(
            "Hugging Face id or folder, or rankzephyr for the bundled one.",
            "the model's",
            metavar="ID|FOLDER",
        ),
    ] = None
    seed: Annotated[int, Option("Random seed for the engine; greedy decoding draws nothing.")] = 0

    @model_validator(mode="before")
    @classmethod
    def _former_name(cls, values: object) -> object:
        """Takes the name that plans and recipes had for the prompt when it was always a profile."""
        if isinstance(values, dict) and "prompt_profile" in values and "prompt" not in values:
            values = {**values, "prompt": values["prompt_profile"]}
            del values["prompt_profile"]
        return values
