"""A real mail server and a real HTTP endpoint on this machine."""

import http.server
import json
import queue
import socket
import threading

import pytest

pytest.importorskip("apprise", reason="downstream-predictor[notify] is not installed")
controller = pytest.importorskip("aiosmtpd.controller", reason="aiosmtpd is not installed")


class Mailbox:
    """Takes mail, as the handler of an SMTP server."""

    def __init__(self):
        self.mail = queue.Queue()

    async def handle_DATA(self, server, session, envelope):
        self.mail.put(envelope.content.decode())
        return "250 taken"


@pytest.fixture
def mail_server():
    """An SMTP server: its address for apprise, and what arrived."""
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = controller.Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    yield f"mailto://127.0.0.1:{port}?from=ladder@example.org&to=team@example.org", box.mail
    server.stop()


class Hook(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted or asked for."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.put(json.loads(body))
        self.send_response(self.server.answers)
        self.end_headers()

    def do_GET(self):
        self.server.taken.put(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hook():
    """An HTTP endpoint: the server, with `taken` and its address in `url`."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.taken, server.answers = queue.Queue(), 200
    server.url = f"json://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
