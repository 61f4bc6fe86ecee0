"""Records are only ever added: every change shows, nobody loses one, and a kill leaves a valid chain."""

import hashlib
import http.server
import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time

import pytest
from upath import UPath

from predictor.errors import StoreError
from predictor.results.chain import Chain

FORK = multiprocessing.get_context("fork")


def add(folder, count, who="a"):
    for number in range(count):
        Chain(folder).append("forecast", lambda records, number=number: {"who": who, "own": number, "note": "ä" * 50})


@pytest.fixture
def chain(tmp_path):
    add(tmp_path / "forecasts", 5)
    return Chain(tmp_path / "forecasts")


def test_records_come_back_as_they_were_added_each_naming_the_one_before(chain):
    state = chain.verify()
    assert not state.faults
    assert [record.body["own"] for record in state.records] == [0, 1, 2, 3, 4]
    assert [record.previous for record in state.records] == ["", *(record.sha256 for record in state.records[:-1])]
    # Anybody can compute the hash: tail -n +2 000003.json | sha256sum
    content = (chain.folder / "000003.json").read_bytes()
    assert hashlib.sha256(content.split(b"\n", 1)[1]).hexdigest() == state.records[2].sha256
    assert json.loads(content)["previous"] == state.records[1].sha256


def test_a_change_of_any_byte_shows(chain):
    generator = random.Random(20261128)
    files = sorted(path for path in chain.folder.iterdir() if path.suffix == ".json")
    for path in files:
        path.chmod(0o644)
        content = path.read_bytes()
        places = {0, len(content) - 1, *generator.sample(range(len(content)), 40)}
        for place in places:
            changed = bytearray(content)
            changed[place] ^= generator.randrange(1, 256)
            path.write_bytes(changed)
            assert chain.verify().faults, f"byte {place} of {path.name}"
        for other in (content[:-1], content + b"\n", b"", content.replace(b"\n", b"\r\n")):
            path.write_bytes(other)
            assert chain.verify().faults
        path.write_bytes(content)
        assert not chain.verify().faults


@pytest.mark.parametrize("name", ["000001.json", "000003.json", "000005.json", "head.json"])
def test_a_removed_file_shows(chain, name):
    (chain.folder / name).unlink()
    assert [file for file, _ in chain.verify().faults] == [name]


def test_records_that_change_places_show(chain):
    first, second = chain.folder / "000002.json", chain.folder / "000003.json"
    first.rename(chain.folder / "kept")
    second.rename(first)
    (chain.folder / "kept").rename(second)
    assert len(chain.verify().faults) >= 2


def test_a_record_made_anew_with_its_own_hash_shows(chain):
    """Whoever changes a record and computes its hash anew breaks the link from the next one, or from the head."""
    for name in ("000002.json", "000005.json"):
        path = chain.folder / name
        kept = path.read_bytes()
        rest = kept.split(b"\n", 1)[1].replace(b'"own": ', b'"own": 9')
        path.chmod(0o644)
        path.write_bytes(b'{"sha256": "' + hashlib.sha256(rest).hexdigest().encode() + b'",\n' + rest)
        assert any("made anew" in what for _, what in chain.verify().faults)
        path.write_bytes(kept)


def test_a_chain_made_anew_as_a_whole_shows_against_a_published_hash(chain, tmp_path):
    published = chain.read().records[3].sha256
    assert not chain.verify(published).faults
    add(tmp_path / "anew", 5)
    anew = Chain(tmp_path / "anew")
    assert not anew.verify().faults
    assert "no record has the published hash" in anew.verify(published).faults[0][1]


def test_nothing_is_added_behind_a_last_record_that_was_changed_or_removed(chain):
    last = chain.folder / "000005.json"
    kept = last.read_bytes()
    last.chmod(0o644)
    last.write_bytes(kept[:-2])
    with pytest.raises(StoreError, match=r"000005.json: its content is not what was written.*backup"):
        add(chain.folder, 1)
    last.unlink()
    with pytest.raises(StoreError, match=r"000005.json: removed"):
        add(chain.folder, 1)
    last.write_bytes(kept)
    add(chain.folder, 1)
    assert len(chain.verify().records) == 6


@pytest.mark.parametrize("where", ["folder", "object store"])
def test_writers_at_once_lose_nothing(tmp_path, where):
    folder = tmp_path / "forecasts" if where == "folder" else UPath(f"memory://chains{tmp_path}/forecasts")
    # The memory of an object store is this process's own: its writers are threads.
    start = FORK.Process if where == "folder" else threading.Thread
    writers = [start(target=add, args=(folder, 15, who)) for who in ("a", "b", "c")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    state = Chain(folder).verify()
    assert not state.faults
    assert sorted((record.body["who"], record.body["own"]) for record in state.records) == [
        (who, own) for who in ("a", "b", "c") for own in range(15)
    ]


def test_a_build_sees_what_others_added_and_may_add_nothing(tmp_path):
    chain = Chain(tmp_path / "forecasts")

    def once(records):
        return None if records else {"who": "first"}

    assert chain.append("forecast", once).number == 1
    assert chain.append("forecast", once) is None


def add_until(folder, deadline):
    """Add records, and be killed just before the file operation of that number."""
    operations = iter(range(deadline))

    def count(event, arguments):
        # What is opened, linked, renamed, removed, made read-only: all that changes a folder.
        concerns = any(str(folder) in str(argument) for argument in arguments[:2])
        if concerns and next(operations, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    add(folder, 2)


def test_a_kill_before_any_operation_on_a_file_leaves_a_valid_chain(tmp_path):
    counts = []
    for deadline in range(200):
        folder = tmp_path / str(deadline) / "forecasts"
        process = FORK.Process(target=add_until, args=(folder, deadline))
        process.start()
        process.join()
        state = Chain(folder).verify()
        assert not state.faults, deadline
        assert state.behind <= 1
        counts.append(state.last)
        add(folder, 1)
        assert Chain(folder).verify().last == state.last + 1
        if process.exitcode == 0:
            break
    # Never fewer records for a later kill, and two where nothing was killed.
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2}
    # A record takes at least an opening, a link, a rename and a removal.
    assert len(counts) > 10


def test_a_kill_at_a_random_moment_leaves_a_valid_chain(tmp_path):
    folder, generator = tmp_path / "forecasts", random.Random(7)
    seen = 0
    for _ in range(15):
        process = FORK.Process(target=add, args=(folder, 10_000))
        process.start()
        time.sleep(generator.uniform(0.005, 0.06))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        state = Chain(folder).verify()
        assert not state.faults
        assert state.behind <= 1
        assert state.last >= seen
        seen = state.last
    assert seen > 2


@pytest.fixture
def s3(monkeypatch):
    """An object store on this machine; `heeds` says whether it heeds the condition that an object is new."""

    class Objects(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        kept: dict = {}  # noqa: RUF012
        heeds = True

        def do_PUT(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding", "").startswith("aws-chunked"):
                size, _, rest = content.partition(b"\r\n")
                content = rest[: int(size.split(b";")[0], 16)]
            if self.heeds and self.headers.get("If-None-Match") == "*" and self._key in self.kept:
                return self._answer(412, b"<Error><Code>PreconditionFailed</Code><Message>exists</Message></Error>")
            self.kept[self._key] = content
            return self._answer(200)

        def do_GET(self):
            if "list-type=2" in self.path:
                keys = "".join(
                    f"<Contents><Key>{key.split('/', 2)[2]}</Key><Size>{len(content)}</Size>"
                    f"<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
                    for key, content in sorted(self.kept.items())
                )
                return self._answer(200, f"<ListBucketResult>{keys}</ListBucketResult>".encode())
            if self._key not in self.kept:
                return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return self._answer(200, self.kept[self._key])

        do_HEAD = do_GET

        @property
        def _key(self):
            return self.path.partition("?")[0]

        def _answer(self, code, content=b""):
            self.send_response(code)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    # Its instances are kept with the address that they were made for.
    pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Objects)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    Objects.kept = {}
    yield Objects
    server.shutdown()
    server.server_close()


def test_on_s3_a_record_is_made_on_the_condition_that_it_is_new(s3):
    folder = UPath("s3://bucket/store/forecasts")
    add(folder, 2)
    other = "/bucket/store/forecasts/000003.json"
    taken = []

    def build(records):
        if not taken:
            # Another coordinator takes the number between this one's look and its writing.
            add(folder, 1, "another")
            taken.append(s3.kept[other])
        return {"who": "late"}

    assert Chain(folder).append("forecast", build).number == 4
    assert s3.kept[other] == taken[0]
    state = Chain(folder).verify()
    assert not state.faults
    assert [record.body["who"] for record in state.records] == ["a", "a", "another", "late"]


def test_an_object_store_that_replaces_objects_is_refused(s3):
    s3.heeds = False
    with pytest.raises(StoreError, match="does not heed the condition"):
        add(UPath("s3://bucket/store/forecasts"), 1)


def test_what_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "forecasts").write_text("a file")
    with pytest.raises(StoreError, match="cannot be written"):
        add(tmp_path / "forecasts", 1)
    with pytest.raises(StoreError, match="records cannot be kept on http://"):
        add(UPath("http://127.0.0.1/forecasts"), 1)
