"""Runs Pyserini in a process of its own, apart from our code."""

from __future__ import annotations

import os
import subprocess
import sys

from rankgen.retrieval.bm25.java import find_java


def run_script(script: str, *arguments: str) -> None:
    java = find_java()
    environment = os.environ | {"JAVA_HOME": str(java.home), "JVM_PATH": str(java.library)}
    environment["OPENAI_API_KEY"] = "unused"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
