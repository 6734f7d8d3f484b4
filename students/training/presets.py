"""Published training recipes by name; settings that the user gives override a preset's.

Source: arXiv 2405.07920, appendix C, and its authors' released configurations. Appendix C uses 7
negatives in the first stage, where the body of the paper says up to 99.
"""

from __future__ import annotations

from collections.abc import Mapping

from rankgen.manifests.errors import UsageError, did_you_mean
from rankgen.students.choices import DEFAULT_BACKBONE

Values = Mapping[str, object]

# AdamW 1e-5 without warm-up, decay or clipping, 32 and 256 tokens, 32 queries a step, seed 42.
_COMMON: Values = {
    "learning_rate": 1e-5,
    "weight_decay": 0.01,
    "schedule": "constant",
    "warmup_steps": 0,
    "gradient_clip": None,
    "queries_per_step": 32,
    "query_tokens": 32,
    "passage_tokens": 256,
    "seed": 42,
}
_FROM_SCRATCH: Values = {"backbone": DEFAULT_BACKBONE}
# Stop when nDCG@10 has not risen for 100 steps; the limit on epochs is never reached. The paper
# does not say how often to validate.
_UNTIL_NO_BETTER: Values = {
    "loss": "ranknet",
    "depth": 100,
    "sample_size": None,
    "epochs": 1000.0,
    "validate_every": 10,
    "patience_steps": 100,
}

PRESETS: dict[str, Values] = {
    "paper-labels": {
        **_COMMON,
        **_FROM_SCRATCH,
        "loss": "lce",
        "depth": 200,
        "sample_size": 8,
        "sample_mode": "best",
        "max_steps": 20_000,
        "patience_steps": None,
    },
    "paper-single": {**_COMMON, **_FROM_SCRATCH, **_UNTIL_NO_BETTER},
    "paper-two-stage": {**_COMMON, **_UNTIL_NO_BETTER},
    "authors-config": {
        **_COMMON,
        "loss": "ranknet",
        "depth": 100,
        "sample_size": None,
        "epochs": 3.0,
        "patience_steps": None,
    },
}

_VALIDATE = (
    "add --validation and --validation-qrels, each twice (DL21 and DL22 there), or "
    "--validation-rankings"
)
# Settings that a preset cannot provide -> the hint for them.
NEEDED: dict[str, dict[str, str]] = {
    "paper-labels": {},
    "paper-single": {"validation": _VALIDATE},
    "paper-two-stage": {
        "backbone": "add --backbone with the student of the first stage (--preset paper-labels)",
        "validation": _VALIDATE,
    },
    "authors-config": {
        "backbone": f"add --backbone with the student of the first stage, or {DEFAULT_BACKBONE}"
    },
}


def with_preset(name: str, given: Values) -> dict[str, object]:
    """Returns the settings of a preset, overridden by the given ones.

    Args:
        name: One of `PRESETS`.
        given: Settings that the user gave.

    Raises:
        UsageError: There is no such preset, or it needs a setting that was not given.
    """
    if name not in PRESETS:
        raise UsageError(f"there is no preset '{name}'", did_you_mean(name, PRESETS))
    for needed, hint in NEEDED[name].items():
        others = ("validation_rankings",) if needed == "validation" else ()
        if not any(given.get(name) for name in (needed, *others)):
            raise UsageError(f"the preset '{name}' needs {needed}", hint)
    return {**PRESETS[name], **given}
