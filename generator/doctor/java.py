"""Java and Anserini, which BM25 needs."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from rankgen.generator.doctor.finding import Finding
from rankgen.manifests.errors import EnvironmentProblem
from rankgen.retrieval.bm25.java import find_java


def java_findings() -> list[Finding]:
    """Finds the Java that `retrieve` would use, without starting it."""
    if importlib.util.find_spec("pyserini") is None:
        return [Finding("Java", "not needed", "pyserini is not installed: no BM25")]
    try:
        java = find_java()
    except EnvironmentProblem as problem:
        return [Finding("Java", "fail", problem.message, problem.hint or "")]
    return [Finding("Java", "ok", f"{_release(java.home)} in {java.home}, {java.anserini.name}")]


def _release(home: Path) -> str:
    try:
        described = (home / "release").read_text(encoding="utf-8")
    except OSError:
        return "Java"
    found = re.search(r'^JAVA_VERSION="([^"]+)"', described, re.MULTILINE)
    return found[1] if found else "Java"
