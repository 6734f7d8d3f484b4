"""Which model a server's answers name: the same one all through a run.

What is asked for is no identity: a hosted alias such as "gpt-4o" is answered by a dated model, and
a server that was started anew may serve another model under the old name. So answers are compared
with answers: the first one of the run is written down in its folder, for all workers and resumes.

A system fingerprint says in which setup the model ran. Hosted servers change it from day to day and
answer with several at a time, so another one is recorded and told, and stops nothing.
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
    """Returns where a run keeps the model of its first answer."""
    return run.state / f"answered-model-{plan.fingerprint[:16]}.json"


class AnsweredModel:
    """Compares the answers of one worker with the run's first.

    Args:
        record: The file that holds the model of the run's first answer, once there is one; None
            compares with this worker's first answer alone.
    """

    def __init__(self, record: Path | None = None) -> None:
        self._record = record
        self._first: str | None = None
        self._fingerprints: set[str] = set()

    def compare(self, server: str, model: object, fingerprint: object) -> None:
        """Compares an answer; one that names no model, as some servers send, passes.

        Args:
            server: Its address, as far as it may be shown.
            model: The model that the answer names.
            fingerprint: The system fingerprint that it names.

        Raises:
            EnvironmentProblem: The answer names another model than the run's first.
        """
        if isinstance(model, str) and model:
            if self._first is None:
                self._first = self._first_of_run(model)
            if model != self._first:
                raise EnvironmentProblem(
                    f"the server {server} now answers as model {model}, and this run began with "
                    f"answers of {self._first}",
                    f"have it serve {self._first} again and repeat the command, or label with "
                    "another --out",
                )
        if isinstance(fingerprint, str) and fingerprint:
            self._fingerprints.add(fingerprint)

    def facts(self) -> dict[str, str]:
        """Returns the model and all fingerprints that this worker's answers have named so far."""
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
                "remove the file to take the server's present model for it",
            ) from None
