"""Checks that a server's answers name the same model throughout a run.

The name in a request does not identify a model: a hosted alias such as "gpt-4o" is answered by a
dated model, and a restarted server may serve another model under the old name. So answers are
compared with answers: the model of a run's first answer is stored in its folder, for all workers
and resumes.

A system fingerprint identifies the setup in which the model ran. Hosted servers change it from day
to day and use several at a time, so a new fingerprint is recorded and reported but stops nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

from rankgen.manifests.errors import EnvironmentProblem
from rankgen.manifests.run.plan import Plan
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.atomic import put_if_absent

MODEL_FACT, FINGERPRINT_FACT = "answered_model", "system_fingerprint"
BETWEEN = ", "


def answer_record(run: RunDirectory, plan: Plan) -> Path:
    """Returns the file that holds the model of a run's first answer."""
    return run.state / f"answered-model-{plan.fingerprint[:16]}.json"


class AnsweredModel:
    """Compares the answers of one worker with the run's first.

    Args:
        record: The file for the model of the run's first answer, created by the first worker that
            gets one; None compares with this worker's first answer only.
    """

    def __init__(self, record: Path | None = None) -> None:
        self._record = record
        self._first: str | None = None
        self._fingerprints: set[str] = set()

    def compare(self, server: str, model: object, fingerprint: object) -> None:
        """Compares an answer with the run's first; accepts answers that name no model.

        Args:
            server: The part of the server's address that may be shown.
            model: The model that the answer names.
            fingerprint: The system fingerprint in the answer.

        Raises:
            EnvironmentProblem: The answer names a different model than the run's first answer.
        """
        if isinstance(model, str) and model:
            if self._first is None:
                self._first = self._first_of_run(model)
            if model != self._first:
                raise EnvironmentProblem(
                    f"the server {server} now answers as model {model}, but this run began with "
                    f"answers from {self._first}",
                    f"serve {self._first} again and repeat the command, or label into another "
                    "--out",
                )
        if isinstance(fingerprint, str) and fingerprint:
            self._fingerprints.add(fingerprint)

    def facts(self) -> dict[str, str]:
        """Returns the model and all fingerprints in this worker's answers so far."""
        facts = {} if self._first is None else {MODEL_FACT: self._first}
        if self._fingerprints:
            facts[FINGERPRINT_FACT] = BETWEEN.join(sorted(self._fingerprints))
        return facts

    def _first_of_run(self, model: str) -> str:
        if self._record is None:
            return model
        content = json.dumps({"model": model}).encode()
        if put_if_absent(self._record, content):
            return model
        try:
            return str(json.loads(self._record.read_bytes())["model"])
        except (ValueError, KeyError, TypeError):
            raise EnvironmentProblem(
                f"{self._record} is damaged, so the model that this run began with is unknown",
                "remove the file to accept the server's present model",
            ) from None
