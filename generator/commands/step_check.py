"""Checks the options of a recipe's step without running it."""

from __future__ import annotations

from collections.abc import Mapping

from rankgen.generator.commands.label_options import label_settings
from rankgen.generator.commands.python_docs import PythonDocsOptions
from rankgen.generator.commands.rerank_options import RerankSettings
from rankgen.generator.commands.retrieve_options import retrieve_settings
from rankgen.generator.commands.team_options import split_team_options
from rankgen.generator.commands.train_student import train_settings
from rankgen.generator.jobs.negatives import NegativesSettings
from rankgen.manifests.validation import validated
from rankgen.students.evaluation.settings import EvaluationSettings


def check_step(command: str, values: Mapping[str, object], where: str) -> None:
    """Validates a step's options.

    Raises:
        UsageError: An option is unknown or its value is wrong.
    """
    if command == "retrieve":
        retrieve_settings(values, where)
    elif command == "label":
        label_settings(values, where).teacher.resolved()
    elif command == "train-student":
        train_settings(split_team_options(values, where)[1], where)
    elif command == "negatives":
        validated(NegativesSettings, values, where)
    elif command == "rerank":
        validated(RerankSettings, values, where)
    elif command == "evaluate":
        validated(EvaluationSettings, values, where)
    elif command == "python-docs":
        validated(PythonDocsOptions, values, where)
