"""Downloads a teacher's model and tokenizer from the Hub once for all workers.

Workers that share a cache folder take turns: one downloads, and the others wait for it and then
find the files in the cache. Locks of the operating system end with their process, so that after a
kill the next worker continues the download.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rankgen.generator.engines.vllm.start_problem import token_hint
from rankgen.generator.prompts.tokenizer import BUNDLED
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import EnvironmentProblem, reason_of
from rankgen.manifests.models.model_source import split_revision

LOOK_SECONDS, ANSWER_SECONDS = 0.5, 10.0
_WEIGHTS = re.compile(r"\.(safetensors|bin|pt|pth|h5|msgpack|ot|onnx|onnx_data|gguf|tflite)$")
# The first of these in a repository is used, as in vLLM.
_KINDS = (".safetensors", ".bin", ".pt")


@dataclass(frozen=True)
class HubFiles:
    """The files to fetch from one repository.

    Attributes:
        model: A model id, or a folder, for which nothing is fetched.
        revision: Its commit; None for the newest.
        weights: Whether to fetch the weights beside configuration and tokenizer.
    """

    model: str
    revision: str | None
    weights: bool


def files_of_teacher(teacher: LabelSettings) -> list[HubFiles]:
    """Returns what a worker loads from the Hub for a teacher."""
    if teacher.preset.kind not in ("listwise", "pointwise", "pairwise"):
        return []
    wanted = []
    if teacher.engine == "vllm":
        wanted.append(HubFiles(teacher.model or "", teacher.revision, weights=True))
    if teacher.tokenizer not in (None, BUNDLED) and (
        not wanted or teacher.tokenizer != teacher.model
    ):
        name, revision = split_revision(str(teacher.tokenizer))
        if name == teacher.model:
            revision = revision or teacher.revision
        wanted.append(HubFiles(name, revision, weights=False))
    return [files for files in wanted if not Path(files.model).is_dir()]


def fetch_once(wanted: HubFiles, say: Callable[[str], None]) -> None:
    """Downloads the files that the cache lacks; does nothing if the Hub cannot be reached.

    Args:
        wanted: The files to fetch.
        say: Shows the user what is downloaded, or which download is waited for.

    Raises:
        EnvironmentProblem: The download started and failed.
    """
    if not _missing(wanted):
        return
    with _turn(wanted.model, say):
        # The previous worker may have fetched everything.
        missing = _missing(wanted)
        if missing:
            say(f"{socket.gethostname()} downloads {wanted.model} ({_size(missing.values())})")
            _download(wanted, missing)


def chosen(names: Iterable[str], weights: bool) -> list[str]:
    """Returns the files of a repository that an engine reads.

    Args:
        names: All files of the repository.
        weights: Whether to include weights.
    """
    names = list(names)
    plain = [name for name in names if not _WEIGHTS.search(name)]
    if not weights:
        return plain
    # Other formats of the same weights are in folders, or named "consolidated".
    tops = [name for name in names if _WEIGHTS.search(name) and "/" not in name]
    for kind in _KINDS:
        found = [name for name in tops if name.endswith(kind)]
        if found:
            named = [name for name in found if not name.startswith("consolidated")]
            return plain + (named or found)
    return plain


def _missing(wanted: HubFiles) -> dict[str, int]:
    """Returns name -> bytes of the wanted files that are not in the cache.

    Returns nothing if the Hub cannot be reached: then the cache must do, and loading the model
    reports what is missing.
    """
    from huggingface_hub import HfApi, try_to_load_from_cache

    try:
        # A single request without retries, so that machines without a network do not wait.
        found = HfApi().model_info(
            wanted.model, revision=wanted.revision, files_metadata=True, timeout=ANSWER_SECONDS
        )
    except Exception:  # From the Hub's client, its HTTP client or the network.
        return {}
    sizes = {file.rfilename: file.size or 0 for file in found.siblings or []}
    return {
        name: sizes[name]
        for name in chosen(sizes, wanted.weights)
        if not isinstance(try_to_load_from_cache(wanted.model, name, revision=found.sha), str)
    }


def _download(wanted: HubFiles, names: Iterable[str]) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    patterns = [glob.escape(name) for name in names]
    try:
        snapshot_download(wanted.model, revision=wanted.revision, allow_patterns=patterns)
    except (OSError, HfHubHTTPError) as error:
        reason = reason_of(error)
        node = socket.gethostname()
        is_refused = re.search(r"gated|\b401\b|\b403\b", reason, re.IGNORECASE)
        fetch = f"fetch it there (hf download {wanted.model}), or give --model a folder"
        raise EnvironmentProblem(
            f"the model {wanted.model} cannot be fetched on {node}: {reason}",
            token_hint(node) if is_refused else fetch,
        ) from error


@contextlib.contextmanager
def _turn(model: str, say: Callable[[str], None]) -> Iterator[None]:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE, ".locks", f"models--{model.replace('/', '--')}")
    with contextlib.ExitStack() as held:
        # A cache that cannot be locked is used without turns; the Hub's client keeps it intact.
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            # Readable and writable for all users who share the cache.
            number = os.open(folder / "rankgen.lock", os.O_RDWR | os.O_CREAT, 0o666)
            file = held.enter_context(os.fdopen(number, "r+"))
            _lock(file, model, say)
        yield


def _lock(file: IO[str], model: str, say: Callable[[str], None]) -> None:
    import fcntl

    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            say(f"waiting for {file.read().strip() or 'another worker'}'s download of {model}")
            time.sleep(LOOK_SECONDS)
        else:
            break
    # Written before it is cut, so that those who wait never find it empty.
    file.seek(0)
    file.write(f"{socket.gethostname()}\n")
    file.truncate()
    file.flush()


def _size(sizes: Iterable[int]) -> str:
    total = sum(sizes)
    return f"{total / 1e9:.1f} GB" if total >= 1e8 else f"{total / 1e6:.1f} MB"
