"""colbert-ai's C++ extensions for the CPU, compiled once per machine and kept in the cache."""

from __future__ import annotations

import importlib.util
import platform
import re
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from rankgen.manifests.errors import EnvironmentProblem, reason_of
from rankgen.manifests.storage.digest import sha256_of_value
from rankgen.retrieval.cache import cache_root, cached_folder
from rankgen.retrieval.colbert.codec import use_torch_codec

LIBRARY = "colbert_cpu"
# Python module -> its source in colbert-ai's package.
SOURCES = {
    "segmented_maxsim_cpp": "modeling/segmented_maxsim.cpp",
    "segmented_lookup_cpp": "search/segmented_lookup.cpp",
    "filter_pids_cpp": "search/filter_pids.cpp",
    "decompress_residuals_cpp": "search/decompress_residuals.cpp",
}


def use_own_extensions() -> None:
    """Keeps colbert-ai from compiling anything itself; call `import_colbert` first.

    On a GPU no compiler is needed at all.

    Raises:
        EnvironmentProblem: See `use_compiled_extensions`.
    """
    from colbert.infra.config.settings import RunSettings

    use_torch_codec()
    # colbert-ai's own test for computing on a GPU.
    if not RunSettings.total_visible_gpus:
        use_compiled_extensions()


def use_compiled_extensions() -> None:
    """Makes colbert-ai import its CPU extensions from the cache, and compiles missing ones.

    PyTorch's own loader leaves a lock behind when its process is killed, and every later process
    waits for it forever; a cache entry is whole or absent. Call `import_colbert` first.

    Raises:
        EnvironmentProblem: There is no C++ compiler, or it fails.
    """
    import colbert
    from colbert.modeling import colbert as model
    from colbert.search import index_storage, strided_tensor

    package = Path(next(iter(colbert.__path__)))
    versions = f"{version('colbert-ai')}-torch{version('torch')}-cp{sys.version_info.minor}"
    digest = sha256_of_value([LIBRARY, *_sources(package).values()])[:16]
    name = re.sub(r"[^\w.+-]", "_", f"{versions}-{platform.machine()}-{digest}")
    folder = cached_folder(cache_root() / "colbert-extensions" / name, partial(_compile, package))
    for module in (model, index_storage, strided_tensor):
        module.load = partial(_load_compiled, folder / f"{LIBRARY}.so")


def _load_compiled(library: Path, name: str, **compiling: object) -> ModuleType:
    """Replaces `torch.utils.cpp_extension.load`; its compiler options are not needed any more."""
    del compiling
    spec = importlib.util.spec_from_file_location(name, library)
    if spec is None or spec.loader is None:
        raise EnvironmentProblem(
            f"{library} is not a library", f"remove it: rm -r {library.parent}"
        )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _compile(package: Path, folder: Path) -> None:
    from torch.utils.cpp_extension import load

    source = folder / f"{LIBRARY}.cpp"
    source.write_text(_one_source(package), encoding="utf-8")
    try:
        load(
            LIBRARY,
            [str(source)],
            extra_cflags=["-O3"],
            build_directory=str(folder),
            is_python_module=False,
        )
    except (OSError, RuntimeError) as error:
        raise EnvironmentProblem(
            f"colbert-ai's C++ cannot be compiled: {reason_of(error)}",
            "install a C++ compiler such as g++",
        ) from error


def _one_source(package: Path) -> str:
    """Returns one source file for all modules, since PyTorch's headers take 30 seconds each time.

    A shared library can hold several Python modules; a namespace for each avoids name clashes.
    """
    texts = _sources(package).values()
    headers = {line for text in texts for line in re.findall(r"^#include <.+>", text, re.M)}
    parts = sorted(headers)
    for name, path in SOURCES.items():
        parts += ["#undef TORCH_EXTENSION_NAME", f"#define TORCH_EXTENSION_NAME {name}"]
        parts += [f"namespace of_{name} {{", f'#include "{package / path}"', "}"]
    return "\n".join(parts) + "\n"


def _sources(package: Path) -> dict[str, str]:
    return {name: (package / path).read_text("utf-8") for name, path in SOURCES.items()}
