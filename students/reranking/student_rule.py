"""How a student reads long documents: as it was trained, unless something else is asked for."""

from __future__ import annotations

from typing import NamedTuple

from rankgen.manifests.long_documents.rule import NAMES, ChunkRule, told
from rankgen.manifests.long_documents.settings import LongDocumentSettings
from rankgen.students.model.adapter_folder import is_adapter, read_adapter
from rankgen.students.model.cuts import CUTS_ENTRY, rule_of_config
from rankgen.students.model.families.layout import read_json


class StudentRule(NamedTuple):
    """What a student was trained by, and what is used; None cuts documents.

    Attributes:
        is_known: Whether the student's record says how it was trained.
    """

    own: ChunkRule | None
    used: ChunkRule | None
    is_known: bool

    def recipe(self) -> dict[str, str | int]:
        """Returns what recipes record beside the student's identity, which covers its own rule."""
        if self.used == self.own:
            return {}
        return {NAMES[0]: "cut"} if self.used is None else self.used.as_values()

    def notice(self, student: str) -> str | None:
        """Returns a sentence if the student was trained by another rule than the used one."""
        if self.used == self.own or not self.is_known:
            return None
        return (
            f"{student} was trained on documents of which it read {told(self.own)}, and is scored "
            f"by {told(self.used)}; leave out --long-documents to score it as it was trained"
        )


def student_rule(source: str, asked: LongDocumentSettings) -> StudentRule:
    """Returns how a student reads long documents.

    Args:
        source: A folder, or "ID@COMMIT".
        asked: The options; without a rule the student's own counts.

    Raises:
        UsageError: The student's files are damaged.
        EnvironmentProblem: Adapters or their base are not on this machine and cannot be downloaded.
    """
    own, is_known = _own_rule(source)
    used = own if asked.long_documents is None else asked.chunk_rule
    return StudentRule(own, used, is_known)


def _own_rule(source: str) -> tuple[ChunkRule | None, bool]:
    if is_adapter(source):
        adapter = read_adapter(source)
        return adapter.long_documents, adapter.cuts is not None
    config = read_json(source, "config.json")
    if not isinstance(config, dict):
        config = {}
    return rule_of_config(source, config), CUTS_ENTRY in config
