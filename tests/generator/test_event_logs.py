"""The log of a driver: appended to on a disk, in a store written in parts of which none changes."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from pathlib import Path

import pytest

from rankgen.generator.shards import drivers as drivers_module
from rankgen.generator.shards import events as events_module
from rankgen.generator.shards.drivers import LEFT, STARTED, other_driver
from rankgen.generator.shards.events import EventLog
from rankgen.manifests.run.driver_names import driver_name
from rankgen.manifests.run.event_logs import driver_logs
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.atomic import write_whole


@pytest.fixture
def run(s3_bucket: str) -> RunDirectory:
    return RunDirectory(f"{s3_bucket}/{uuid.uuid4().hex}")


def numbers(run: RunDirectory) -> list[object]:
    return [event.get("number") for log in driver_logs(run) for event in log.events()]


def test_a_log_in_a_store_is_never_written_twice(
    run: RunDirectory, s3_requests: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "SEGMENT_SECONDS", 0.1)
    log = EventLog(run)
    for number in range(60):
        log.write("commit", number=number)
        time.sleep(0.01)
    log.close()
    written = s3_requests.copy()
    (found,) = driver_logs(run)
    assert found.driver == driver_name()
    assert 2 <= len(found.parts) <= 12
    assert written == {"PUT": len(found.parts)}, "nothing is read, and no object twice written"
    assert numbers(run) == list(range(60))
    assert abs(found.changed - time.time()) < 60
    # A later process of the same name goes on and takes nothing away.
    again = EventLog(run)
    again.write("commit", number=60)
    again.close()
    assert numbers(run) == list(range(61))


def test_another_driver_on_a_store_is_seen_at_once_and_gone_when_it_has_left(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(events_module, "driver_name", lambda: "elsewhere-1")
        log = EventLog(run)
    assert other_driver(run) is None
    log.write(STARTED)
    log.flush()
    assert other_driver(run) == "elsewhere-1"
    with monkeypatch.context() as patch:
        patch.setattr(drivers_module, "SILENT_SECONDS", -1.0)
        assert other_driver(run) is None, "a driver that is silent for long is dead"
    log.write(LEFT)
    log.close()
    assert other_driver(run) is None


def test_logs_of_before_and_copies_of_a_store_on_a_disk_are_read(
    run: RunDirectory, tmp_path: Path
) -> None:
    for place in (run, RunDirectory(tmp_path)):
        write_whole(place.events / "old-1.jsonl", b'{"number": 1}\n{"number": 2}\n{"num')
        for part, number in (("0-0", 3), ("0-1", 4)):
            content = f'{{"number": {number}}}\n'.encode()
            write_whole(place.events / "young-2" / f"{part}.jsonl", content)
        assert [log.driver for log in driver_logs(place)] == ["old-1", "young-2"]
        assert numbers(place) == [1, 2, 3, 4]
        assert [log.last() for log in driver_logs(place)] == [{"number": 2}, {"number": 4}]


def test_a_log_that_cannot_be_written_stops_nothing(s3_bucket: str) -> None:
    log = EventLog(RunDirectory("s3://nobodys-bucket/run"))
    log.write("start")
    log.flush()
    log.write("commit")
    log.write("commit")
    log.close()
    log.write("after the end")


def test_a_log_goes_on_after_a_bad_minute_of_the_store(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rankgen.manifests.storage import segments as segments_module

    def refused(path: Path, content: bytes) -> None:
        raise OSError(f"no room for {path}")

    log = EventLog(run)
    with monkeypatch.context() as patch:
        patch.setattr(segments_module, "write_whole", refused)
        log.write("lost", number=0)
        log.flush()
    log.write("kept", number=1)
    log.flush()
    log.write("kept", number=2)
    log.close()
    assert numbers(run) == [1, 2]
