"""Which of a classifier's two outputs means that a passage is relevant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rankgen.manifests.errors import UsageError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_RELEVANT = re.compile(r"relevant|yes|true|positive|match|1")
_OTHER = re.compile(
    r"(?:not|non|no|un|ir)[ _-]?(?:relevant|match\w*)|irrelevant|no|false|negative|0"
)
# What transformers calls outputs without names; by convention the second is then the positive one,
# as in monoBERT and castorini/monoelectra.
_UNNAMED = ("label_0", "label_1")


def relevant_output(source: str, config: PretrainedConfig) -> int:
    """Returns which of two outputs means relevant; the score is its logit minus the other's.

    Args:
        source: The model, for the message.
        config: Its configuration, whose `id2label` names the outputs.

    Raises:
        UsageError: The names of the outputs do not say it.
    """
    return relevant_of_two(source, output_names(config.id2label))


def output_names(id2label: object) -> tuple[str, ...]:
    """Returns the names of outputs in their order, as config.json or a configuration has them."""
    named = id2label if isinstance(id2label, dict) else {}
    return tuple(str(named[key]) for key in sorted(named, key=int))


def relevant_of_two(source: str, names: Sequence[str]) -> int:
    """Returns which of two outputs with these names means relevant; see `relevant_output`.

    Raises:
        UsageError: The names do not say it.
    """
    if tuple(name.lower() for name in names) == _UNNAMED:
        return 1
    found = [_means_relevant(name.lower()) for name in names]
    if found == [False, True] or found == [True, False]:
        return found.index(True)
    raise UsageError(
        f"{source} has two outputs, {' and '.join(map(repr, names))}, and which of them means "
        "relevant is unknown",
        'name them in its config.json: "id2label": {"0": "irrelevant", "1": "relevant"}',
    )


def _means_relevant(name: str) -> bool | None:
    if _OTHER.fullmatch(name):
        return False
    return True if _RELEVANT.fullmatch(name) else None
