"""A student goes to a Hub, which answers over HTTP as the real one does."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from http_listening import serve_in_background

from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.students.training.push import push_student


class Hub(BaseHTTPRequestHandler):
    """Takes repositories and commits of small files; refuses those of `stranger`."""

    made: ClassVar[list[dict[str, object]]] = []
    files: ClassVar[dict[str, bytes]] = {}

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size)
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            self.made.append(asked)
            host, name = self.headers["Host"], f"{asked.get('organization')}/{asked['name']}"
            if name.startswith("stranger/"):
                self._answer({"error": "no"}, 403)
            else:
                self._answer({"url": f"http://{host}/{name}"})
        elif self.path.endswith("/preupload/main"):
            paths = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]
            self._answer({"files": modes})
        elif "/commit/" in self.path:
            for line in body.decode().splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    self.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            address = f"http://{self.headers['Host']}/somebody/small/commit/1"
            self._answer({"commitUrl": address, "commitOid": "1", "success": True})
        else:
            self._answer({"errors": [], "warnings": []})

    def do_GET(self) -> None:
        status = 404 if "stranger" in self.path else 200
        self._answer({"id": "somebody/small", "sha": "0", "siblings": []}, status)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, value: dict[str, object], status: int = 200) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    import huggingface_hub.constants as constants

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    serve_in_background(server)
    Hub.made.clear()
    Hub.files.clear()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_test")
    yield Hub
    server.shutdown()


@pytest.fixture
def student(tmp_path: Path) -> Path:
    (tmp_path / ".rankgen").mkdir()
    (tmp_path / ".rankgen" / "checkpoint.pt").write_bytes(b"state")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(bytes(range(256)))
    return tmp_path


def test_the_files_arrive_without_the_training_s_state(hub: type[Hub], student: Path) -> None:
    assert push_student(student, "somebody/small").endswith("/somebody/small/commit/1")
    assert hub.made[0]["name"] == "small"
    assert hub.made[0]["visibility"] == "private"
    assert hub.files == {"config.json": b"{}", "model.safetensors": bytes(range(256))}


CARD = """# small

trained with `/home/somebody/backbones/first` and `minilm`

model = CrossEncoder("small")
peer = CrossEncoder("somebody/else")
"""
RECORD = {
    "settings": {
        "backbone": "/home/somebody/backbones/first",
        "rankings": "/home/somebody/rankings",
        "validation": "runs/dl19",
        "validation_qrels": "irds:msmarco-passage/trec-dl-2019/judged",
        "out": "small",
        "query_tokens": 12,
        "passage_tokens": 20,
    },
    "facts": {"backbone": "/home/somebody/backbones/first", "loss": "ranknet"},
    "figures": {"steps": 3},
}


def test_others_get_its_name_on_the_hub_and_no_local_path(hub: type[Hub], tmp_path: Path) -> None:
    folder = tmp_path / "small"
    (folder / ".cache").mkdir(parents=True)
    (folder / ".cache" / "secret").write_text("here")
    (folder / "README.md").write_text(CARD)
    (folder / "rankgen.json").write_text(json.dumps(RECORD))
    (folder / "config.json").write_text('{"model_type": "bert"}')
    push_student(folder, "somebody/monoelectra")
    assert set(hub.files) == {"README.md", "rankgen.json", "config.json"}
    card = hub.files["README.md"].decode()
    assert card == (
        "# monoelectra\n\ntrained with `first` and `minilm`\n\n"
        'model = CrossEncoder("somebody/monoelectra")\npeer = CrossEncoder("somebody/else")\n'
    )
    record = json.loads(hub.files["rankgen.json"])
    assert record["settings"] == {
        "backbone": "first",
        "rankings": "rankings",
        "validation": "dl19",
        "validation_qrels": "irds:msmarco-passage/trec-dl-2019/judged",
        "out": "small",
        "query_tokens": 12,
        "passage_tokens": 20,
    }
    assert record["facts"] == {"backbone": "first", "loss": "ranknet"}
    assert record["figures"] == {"steps": 3}
    # A student of an earlier version has its cuts in rankgen.json alone.
    cuts = {"query_tokens": 12, "passage_tokens": 20}
    assert json.loads(hub.files["config.json"]) == {"model_type": "bert", "rankgen": cuts}
    assert (folder / "README.md").read_text() == CARD


def test_what_goes_wrong_is_one_sentence(hub: type[Hub], student: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="cannot be pushed to stranger/small"):
        push_student(student, "stranger/small")
    with pytest.raises(UsageError, match="is not a repository name"):
        push_student(student, "a/b/c")
    assert not hub.files
