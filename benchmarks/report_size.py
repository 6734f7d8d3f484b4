"""A run of 10,000 queries x 100: how long until its page can be used, and what the browser needs.

Makes a label run with texts, writes its report, and opens it in chromium as a file; then serves the
same run and opens that. Measured each time: until the first query's lists are drawn, a search, a
turn of the page, a chosen query, and the memory after all that and sixty queries more: the page's
heap, its process, and all processes of the browser less those of one with an empty page, as
proportional set sizes. Every page is opened five times by a browser of its own; the median is
given, and the slowest.

Run `python benchmarks/report_size.py [QUERIES DEPTH PASSAGES]`; it needs chromium and playwright.
The result goes to benchmarks/results/report_size.json.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from large_runs import MadeUpLabels
from playwright.sync_api import Page, sync_playwright
from results_file import write_results

RANKGEN = [sys.executable, "-c", "from rankgen.generator.cli import main; main()"]
TIMES = 5
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
NAMES = ("chromium", "chromium-browser", "google-chrome")
MEGABYTE = 1_000_000


def main() -> None:
    queries, depth, passages = map(int, sys.argv[1:] or (10_000, 100, 500_000))
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "run", Path(folder) / "report"
        run = MadeUpLabels(root, queries, depth, passages).write()
        written = _written(root, out)
        file = _measured((out / "report.html").as_uri())
        with _served(root) as (address, seconds):
            served = {"seconds_to_start": seconds, **_measured(address)}
        parquet = sum(path.stat().st_size for path in run.root.rglob("*.parquet"))
    executable = next(filter(None, map(shutil.which, NAMES)))
    version = subprocess.run([executable, "--version"], capture_output=True, text=True, check=True)
    figures = {
        "browser": version.stdout.strip(),
        "others_at_work": round(os.getloadavg()[0], 1),
        "queries": queries,
        "depth": depth,
        "passages": passages,
        "parquet_megabytes": round(parquet / MEGABYTE, 1),
        "report": {**written, **file},
        "serve": served,
    }
    print(write_results("report_size", figures))


def _written(root: Path, out: Path) -> dict[str, float]:
    began = time.monotonic()
    subprocess.run([*RANKGEN, "report", str(root), "--out", str(out)], check=True)
    seconds, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    files = [path for path in out.rglob("*") if path.is_file()]
    return {
        "seconds_to_write": round(seconds, 1),
        "processor_seconds_to_write": round(used.ru_utime + used.ru_stime, 1),
        "peak_megabytes_to_write": round(used.ru_maxrss * 1024 / MEGABYTE),
        "files": len(files),
        "megabytes": round(sum(path.stat().st_size for path in files) / MEGABYTE, 1),
        "page_megabytes": round((out / "report.html").stat().st_size / MEGABYTE, 2),
    }


@contextlib.contextmanager
def _served(root: Path) -> Iterator[tuple[str, float]]:
    began = time.monotonic()
    command = [*RANKGEN, "serve", str(root), "--port", "0", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    address = str(json.loads(server.stdout.readline())["address"])
    yield address, round(time.monotonic() - began, 1)
    server.terminate()
    server.wait()


def _measured(address: str) -> dict[str, object]:
    empty = statistics.median(
        _of_a_browser("about:blank", lambda page: {})["memory"] for _ in "123"
    )
    found = [_of_a_browser(address, _used) for _ in range(TIMES)]
    for one in found:
        one["megabytes_of_all_processes_more_than_empty"] = one.pop("memory") - empty
    return {
        name: {
            "median": round(statistics.median(one[name] for one in found), 3),
            "largest": round(max(one[name] for one in found), 3),
        }
        for name in found[0]
    } | {"megabytes_of_an_empty_browser": round(empty)}


def _of_a_browser(address: str, use: Callable[[Page], dict[str, float]]) -> dict[str, float]:
    executable = next(filter(None, map(shutil.which, NAMES)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        began, used = time.monotonic(), _processor_seconds()
        page.goto(address)
        found = use(page)
        if found:
            first = {
                "seconds_until_usable": found.pop("usable_at") - began,
                "processor_seconds_until_usable": found.pop("used") - used,
            }
            found = {**first, **found}
        sizes = _sizes()
        browser.close()
    found["megabytes_of_its_process"] = max(size for kind, size in sizes if kind == "renderer")
    return {**found, "memory": sum(size for _, size in sizes)}


def _used(page: Page) -> dict[str, float]:
    page.locator(".column.right li").first.wait_for()
    found: dict[str, float] = {"usable_at": time.monotonic(), "used": _processor_seconds()}
    title = page.locator("#query-title")

    def timed(name: str, act: Callable[[], Any]) -> None:
        before, began = title.inner_text(), time.monotonic()
        act()
        page.wait_for_function(
            "before => document.getElementById('query-title').innerText !== before", arg=before
        )
        found[name] = time.monotonic() - began

    timed("seconds_to_the_next_page", lambda: page.click("#page-next"))
    timed("seconds_to_the_next_query", lambda: page.keyboard.press("j"))
    timed("seconds_to_sort", lambda: page.select_option("#query-sort", "moved"))
    last = page.locator("#query-list [role=option]").last.get_attribute("data-query") or ""
    timed("seconds_to_search", lambda: page.fill("#query-search", last))
    page.fill("#query-search", "")
    for _ in range(60):
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        page.wait_for_timeout(20)
    found["megabytes_of_heap"] = page.evaluate("performance.memory.usedJSHeapSize") / MEGABYTE
    return found


def _processor_seconds() -> float:
    """Returns what all processes of our browser have used; unlike time it says little of others."""
    used = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "chrom" in process.name():
                times = process.cpu_times()
                used += times.user + times.system
    return used


def _sizes() -> list[tuple[str, float]]:
    """Returns kind and proportional set size, in megabytes, of each process of our browser."""
    sizes = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            command = " ".join(process.cmdline())
            if "chrom" in process.name():
                kind = command.partition("--type=")[2].split(" ")[0]
                sizes.append((kind, process.memory_full_info().pss / MEGABYTE))
    return sizes


if __name__ == "__main__":
    main()
