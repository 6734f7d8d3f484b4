"""What loading a checkpoint of any family gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rankgen.students.model.cuts import Cuts
from rankgen.students.model.pair_template import Ids
from rankgen.students.model.student_model import StudentModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class WholePairs(Protocol):
    """Renders pairs into one text each, as a prompt or a chat template says."""

    pads_left: bool
    pair_tokens: int

    def ids(self, queries: Sequence[str], passages: Sequence[str]) -> list[Ids]:
        """Returns the token ids of each pair, at most `pair_tokens`, with the prompt's end."""
        ...


@dataclass(frozen=True)
class Loaded:
    """A checkpoint's model and how it is given pairs.

    Attributes:
        kind: What it is, as the end of "X is ...".
        lacking: Names of weights that the checkpoint lacks.
        relevant: Which of two outputs means relevant; None if there is only one.
        whole: Renders pairs; None if they are the tokenizer's own pairs.
        pair_tokens: Most tokens of a pair of the tokenizer, in the checkpoint's own library.
        cuts: Where the checkpoint itself says that texts are cut apart from each other.
        prompt: What stands before every query.
        save: Writes model and head into a folder; None for what is not trained here.
        asked: What a student's config.json says of how its pairs are rendered, beside its cuts, so
            that a folder of another name is still asked in the same way.
    """

    model: StudentModel
    tokenizer: PreTrainedTokenizerBase
    kind: str
    lacking: frozenset[str] = frozenset()
    relevant: int | None = None
    whole: WholePairs | None = None
    pair_tokens: int | None = None
    cuts: Cuts | None = None
    prompt: str = ""
    save: Callable[[StudentModel, Path], None] | None = None
    asked: Mapping[str, object] = field(default_factory=dict)
