"""Files are replaced as a whole; links stay links, and what is no file is written to as it stands."""

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from predictor.errors import InputError
from predictor.results.files import write_text_atomically


def test_a_link_keeps_leading_to_its_file(tmp_path):
    (tmp_path / "kept").mkdir()
    target, link = tmp_path / "kept" / "real.json", tmp_path / "latest.json"
    target.write_text("old")
    link.symlink_to(target)
    write_text_atomically(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_pipe_is_written_through(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_text_atomically(pipe, "news")
    reader.join(timeout=10)
    assert read == ["news"]
    assert pipe.is_fifo()


def test_standard_output_by_its_name_is_no_file_to_replace(tmp_path, capfd):
    from pathlib import Path

    write_text_atomically(Path("/dev/stdout"), "shown")
    assert capfd.readouterr().out == "shown"


def test_a_disk_that_fills_up_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_text_atomically(path, "new")
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "old"


def test_threads_that_write_one_file_at_once_leave_the_whole_of_one(tmp_path):
    path, texts = tmp_path / "forecast.json", [str(number) * 200_000 for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda text: write_text_atomically(path, text), texts * 4))
    assert path.read_text() in texts
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path):
    path = tmp_path / "report.html"
    write_text_atomically(path, "old")
    path.chmod(0o600)
    write_text_atomically(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
