"""Loaded at the start of every Python process of a run that is to be killed; see `killed_runs`.

The file that KILL_POINT names says what to write down (processes, windows asked, file-system steps)
and before which step of which role the process kills itself. Nothing in the program knows of it.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import signal
import sys

TEACHER = "rankgen.generator.teachers.scripted"
SIZES = "rankgen.generator.jobs.label.job"
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def role():
    said = " ".join(sys.orig_argv)
    if "default_worker.py" in said:
        return "worker"
    return "driver" if " label " in said else "other"


def append(path, line):
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (line + "\n").encode())
    os.close(descriptor)


class Steps:
    """Counts the steps in the run's folder by name; dies before the one that it was told."""

    def __init__(self, told, mine):
        self.told, self.mine = told, mine
        self.root = told["root"] + "/"
        self.seen = {}
        self.armed = told["role"] == mine and not os.path.exists(told["marker"])

    def __call__(self, event, arguments):
        if event == "open" or event.startswith("os."):
            with contextlib.suppress(TypeError, ValueError):
                self.hear(event, arguments)

    def hear(self, event, arguments):
        path, verb = os.fspath(arguments[0]), event.partition(".")[2]
        if event == "open":
            if arguments[2] & WRITING:
                verb = "write"
            elif arguments[1] is None:
                verb = "sync"  # Only what is about to be synced is opened without a file object.
            else:
                return
        elif event in ("os.link", "os.rename"):
            path = os.fspath(arguments[1])
        elif event in ("os.remove", "os.rmdir"):
            if arguments[1] >= 0:
                path = os.path.join(os.readlink(f"/proc/self/fd/{arguments[1]}"), path)
        elif event != "os.mkdir":
            return
        if isinstance(path, str) and path.startswith(self.root):
            self.step(f"{verb} {named(path[len(self.root) :])}", path)

    def step(self, name, path):
        self.seen[name] = self.seen.get(name, 0) + 1
        if self.told["steps"]:
            append(self.told["steps"], f"{self.mine}\t{name}")
        if self.armed and (name, self.seen[name]) == (self.told["step"], self.told["occurrence"]):
            die(self.told, name, path)


def named(path):
    path = re.sub(r"[^/]*\.jsonl", "*.jsonl", path)
    path = re.sub(r"(?<=/progress/)[^/]+", "*", path)
    return re.sub(r"\d{5}", "N", re.sub(r"[0-9a-f]{32}", "H", path))


def die(told, name, path):
    try:
        marker = os.open(told["marker"], os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return
    os.write(marker, str(os.getpid()).encode())
    if told["torn"] and name.startswith("sync ") and os.path.isfile(path):
        # What was written but not synced may be lost with the machine; what was synced is not.
        os.truncate(path, os.path.getsize(path) // 2)
    os.kill(os.getpid(), signal.SIGKILL)


class Listener:
    """Changes a module when it is imported."""

    def __init__(self, module, change):
        self.module, self.change = module, change

    def find_spec(self, name, path=None, target=None):
        if name != self.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            self.change(module)

        spec.loader.exec_module = exec_module
        return spec


def write_calls_down(module):
    """Has the scripted teacher write down every window that it is asked for."""
    ask = module.ScriptedTeacher.rank_window

    async def rank_window(this, query, passages):
        parts = [query.query_id, *(passage.doc_id for passage in passages)]
        window = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES") or "-"
        append(_told["calls"], f"{os.getpid()} {gpus} {query.query_id} {window}")
        return await ask(this, query, passages)

    module.ScriptedTeacher.rank_window = rank_window


def reserve_gpus(module):
    """Has the scripted teacher's workers reserve what those of an engine reserve."""
    size = module.size_pool

    def size_pool(settings, teacher, *rest, **more):
        return size(settings, teacher.model_copy(update={"engine": "vllm"}), *rest, **more)

    module.size_pool = size_pool


if "KILL_POINT" in os.environ:
    with open(os.environ["KILL_POINT"], encoding="utf-8") as file:
        _told = json.load(file)
    append(_told["processes"], f"{os.getpid()} {role()}")
    sys.meta_path.insert(0, Listener(TEACHER, write_calls_down))
    if _told["gpus"]:
        sys.meta_path.insert(0, Listener(SIZES, reserve_gpus))
    if role() != "other":
        sys.addaudithook(Steps(_told, role()))
