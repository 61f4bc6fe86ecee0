"""Revisions on the hub, fetched by the hub's own client from a server on this machine that answers as the hub does."""

import hashlib
import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

from predictor.results.store import Store
from tests.evaluation.tiny import save_checkpoint, write_project

MODEL = "lab/small"
REVISIONS = ("main", "step10", "step20-tokens20K")


class Hub(BaseHTTPRequestHandler):
    """The routes that listing and downloading revisions takes; `folder` holds one folder per revision."""

    folder = None
    asked = None

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = unquote(self.path.partition("?")[0])
        self.asked.append(path)
        commit = {hashlib.sha1(name.encode()).hexdigest(): name for name in REVISIONS}
        names = {name: code for code, name in commit.items()} | {code: code for code in commit}
        if path == f"/api/models/{MODEL}/refs":
            refs = [{"name": one, "ref": f"refs/heads/{one}", "targetCommit": names[one]} for one in REVISIONS]
            self.json({"branches": refs[:2], "tags": refs[2:], "converts": []})
        elif path.startswith(f"/api/models/{MODEL}/revision/"):
            code = names[path.rpartition("/")[2]]
            files = sorted(one.name for one in (self.folder / commit[code]).iterdir())
            self.json({"id": MODEL, "sha": code, "siblings": [{"rfilename": one} for one in files]})
        elif path.startswith(f"/api/models/{MODEL}/tree/"):
            code = names[path.rpartition("/")[2]]
            sizes = {one.name: one.stat().st_size for one in sorted((self.folder / commit[code]).iterdir())}
            self.json([{"type": "file", "path": one, "size": size, "oid": "0" * 40} for one, size in sizes.items()])
        elif path.startswith(f"/{MODEL}/resolve/"):
            code, name = path.removeprefix(f"/{MODEL}/resolve/").split("/", 1)
            content = (self.folder / commit[names[code]] / name).read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            self.answer(content, {"ETag": etag, "X-Repo-Commit": names[code], "Accept-Ranges": "none"})
        else:
            self.send_error(404)

    def json(self, content):
        self.answer(json.dumps(content).encode(), {"Content-Type": "application/json"})

    def answer(self, content, headers):
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub(tmp_path):
    folder = tmp_path / "hub"
    for seed, name in enumerate(REVISIONS):
        save_checkpoint(folder / name, seed)
        # Weights that run code when they are loaded are on many hubs beside the others.
        (folder / name / "pytorch_model.bin").write_bytes(b"never fetched")
    routes = type("Routes", (Hub,), {"folder": folder, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), routes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_revisions_are_fetched_on_one_node_and_scored_on_another_without_a_network(hub, command, tmp_path):
    config = write_project(
        tmp_path,
        tmp_path,
        offline=False,
        cache=str(tmp_path / "cache"),
        families={"random": {"tokens_per_step": 1000, "checkpoints": f"{MODEL}@step*"}},
    )
    online = {
        # Other tests switch the hub off in this process, and what they start inherits it.
        **{name: value for name, value in os.environ.items() if "OFFLINE" not in name},
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
    }

    def run(*arguments, expect=0, environment=online):
        done = subprocess.run(
            [command, *arguments, "--config", str(config)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    listed = run("status", "--task", "tiny_facts")
    assert "prefetch --checkpoints" in listed.stdout + listed.stderr
    run("prefetch", "--checkpoints", "--task", "tiny_facts")
    asked = hub.RequestHandlerClass.asked
    assert any(one.endswith("/model.safetensors") for one in asked)
    assert not any(one.endswith("pytorch_model.bin") or "/main/" in one for one in asked)
    hub.shutdown()
    hub.server_close()
    config.write_text(config.read_text().replace('"offline": false', '"offline": true'))
    run("evaluate", "--once", "--task", "tiny_facts")
    scores = Store(tmp_path / "store").read_scores()[0]
    assert set(scores["step"]) == {10, 20}
    assert set(scores["tokens"]) == {10_000, 20_000}
    # A hub that does not answer is one line.
    config.write_text(config.read_text().replace('"offline": true', '"offline": false'))
    refused = run("prefetch", "--checkpoints", "--task", "tiny_facts", expect=1)
    assert "missing: run small: lab/small cannot be read from the hub" in refused.stdout
    assert "Traceback" not in refused.stderr
