"""Files are replaced as a whole; links stay links, and what is no file is written to as it stands."""

import os
import threading

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
