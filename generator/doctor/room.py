"""Memory, /dev/shm and free disk."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rankgen.generator.doctor.finding import Finding, Status
from rankgen.generator.doctor.hub import hub_cache
from rankgen.manifests.storage.object_store import is_remote, open_root
from rankgen.retrieval.cache import cache_root

GIB = 1 << 30
LEAST_MEMORY, ENOUGH_MEMORY = 3, 6
LEAST_DISK, ENOUGH_DISK = 1, 10
ENOUGH_SHARED = 1


@dataclass(frozen=True)
class Room:
    """Free memory and disk space, in bytes.

    Attributes:
        memory: Available memory within the container's limit; None if unknown.
        memory_total: Total memory or the container's limit; None if unknown.
        shared: Free space in /dev/shm; None if it does not exist.
        disks: (purpose, path) of a folder -> free space there.
    """

    memory: int | None
    memory_total: int | None
    shared: int | None
    disks: dict[tuple[str, str], int]


def gather_room(folders: dict[str, Path]) -> Room:
    """Measures free memory and disk space.

    Args:
        folders: Purpose -> folder, which need not exist yet.
    """
    available, total = _memory()
    shared = shutil.disk_usage("/dev/shm").free if Path("/dev/shm").is_dir() else None
    named = {**folders, "temporary files": Path(tempfile.gettempdir())}
    disks = {
        (name, str(path)): shutil.disk_usage(_existing(path)).free for name, path in named.items()
    }
    return Room(available, total, shared, disks)


def room_findings(out: str) -> list[Finding]:
    """Judges memory, /dev/shm, and the disks of the run's folder `out` and of the caches."""
    root = open_root(out)
    folders = {"rankgen's cache": cache_root(), "the Hub's cache": hub_cache()}
    if not is_remote(root):
        folders = {"--out": root, **folders}
    return judge_room(gather_room(folders))


def judge_room(facts: Room) -> list[Finding]:
    """Judges memory, /dev/shm and every disk."""
    return [*_judge_memory(facts), *_judge_shared(facts.shared), *_judge_disks(facts.disks)]


def _judge_memory(facts: Room) -> list[Finding]:
    if facts.memory is None or facts.memory_total is None:
        return []
    status = _status(facts.memory, LEAST_MEMORY, ENOUGH_MEMORY)
    value = f"{_gib(facts.memory)} free of {_gib(facts.memory_total)}"
    remedy = f"end other programs, or use a machine with {ENOUGH_MEMORY} GiB free"
    return [Finding("memory", status, value, "" if status == "ok" else remedy)]


def _judge_shared(shared: int | None) -> list[Finding]:
    if shared is None:
        return []
    if shared < ENOUGH_SHARED * GIB:
        remedy = "enlarge it (docker run --shm-size=4g): Ray and torch exchange data there"
        return [Finding("/dev/shm", "warn", f"{_gib(shared)} free", remedy)]
    return [Finding("/dev/shm", "ok", f"{_gib(shared)} free")]


def _judge_disks(disks: dict[tuple[str, str], int]) -> list[Finding]:
    found = []
    for (name, path), free in disks.items():
        status = _status(free, LEAST_DISK, ENOUGH_DISK)
        remedy = (
            "" if status == "ok" else f"free some space, or use another folder{_elsewhere(name)}"
        )
        found.append(Finding(f"disk of {name}", status, f"{_gib(free)} free in {path}", remedy))
    return found


def _elsewhere(name: str) -> str:
    variables = {
        "--out": " with --out",
        "rankgen's cache": " in RANKGEN_CACHE",
        "the Hub's cache": " in HF_HOME",
        "temporary files": " in TMPDIR",
    }
    return variables.get(name, "")


def _status(free: int, least_gib: int, enough_gib: int) -> Status:
    if free < least_gib * GIB:
        return "fail"
    return "warn" if free < enough_gib * GIB else "ok"


def _gib(size: int) -> str:
    return f"{size / GIB:,.1f} GiB"


def _existing(path: Path) -> Path:
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _memory() -> tuple[int | None, int | None]:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        available, total = sizes["MemAvailable"], sizes["MemTotal"]
    except (OSError, KeyError, ValueError, IndexError):
        try:
            total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (ValueError, OSError):
            return None, None
        return total, total
    limit, used = _number("memory.max"), _number("memory.current")
    if limit is not None and used is not None and limit < total:
        return min(available, max(0, limit - used)), limit
    return available, total


def _number(name: str) -> int | None:
    try:
        return int(Path("/sys/fs/cgroup", name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
