import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from predictor.cli.serve import listen


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_an_address_that_answers_and_ends_cleanly(ladder_folder, ending):
    command = [Path(sys.executable).with_name("predictor"), "serve", "--results", ladder_folder, "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    try:
        address = server.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        with urlopen(address, timeout=30) as page:
            assert "run-1e+08" in page.read().decode()
        server.send_signal(ending)
        assert server.wait(timeout=30) in (0, 130, -signal.SIGINT)
        assert "leaked" not in server.stderr.read()
    finally:
        server.kill()
        server.communicate()


def test_wrong_input_is_answered_in_one_line(refused, ladder_folder, tmp_path):
    assert "does not exist" in refused("serve", "--results", tmp_path / "gone")
    assert "the token is empty" in refused("serve", "--results", ladder_folder, "--token", " ")
    assert "cannot be listened at" in refused("serve", "--results", ladder_folder, "--host", "203.0.113.1")


def test_answers_are_sent_at_once():
    # asyncio turns Nagle's algorithm off for sockets that say that they are TCP.
    with listen("127.0.0.1", 0) as sock:
        assert sock.proto == socket.IPPROTO_TCP
