"""`predictor serve`: results in a browser."""

from __future__ import annotations

import gc
import secrets
import signal
import socket
import sys
from pathlib import Path

import click

from predictor.cli.options import results_option
from predictor.errors import InputError

_TOKEN = "PREDICTOR_TOKEN"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command()
@results_option()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; others than this machine's own need a token.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 takes a free one.")
@click.option(
    "--token", envvar=_TOKEN, metavar="SECRET", help=f"What visitors must bring (default: made up, or {_TOKEN})."
)
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How often the results are looked at.",
)
def command(results: Path, host: str, port: int, token: str | None, every: float) -> None:
    """Show runs, curves, forecasts and progress in a browser.

    Only reads. Listens to this machine alone unless --host says otherwise, and then to those alone who have the token.

    \b
    Examples:
      predictor serve --results store/
      predictor serve --results store/ --host 0.0.0.0 --port 8080
    """
    try:
        import uvicorn

        from predictor.serve import Source, make_app
    except ModuleNotFoundError as error:
        raise InputError(f"the package {error.name} is not installed", "pip install 'predictor[serve]'") from None
    if token is not None and not token.strip():
        raise InputError("the token is empty", f"give one with --token or {_TOKEN}, or leave both out")
    if token is None and host not in _LOOPBACK:
        token = secrets.token_urlsafe(24)
    sock = listen(host, port)
    source = Source(results, every=every)
    source.start()
    application = make_app(source, token)
    # What is loaded by now stays: looking through it for garbage would stop a page for a tenth of a second.
    gc.collect()
    gc.freeze()
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning", access_log=False))
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{sock.getsockname()[1]}/"
    click.echo(f"{address}?token={token}" if token else address)
    click.echo("Ctrl-C ends it", err=True)
    # uvicorn passes on the signal that ended it, and the processes beside it have to be ended first.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    try:
        server.run(sockets=[sock])
    finally:
        source.close()


def listen(host: str, port: int) -> socket.socket:
    """Open the socket that visitors come to.

    Raises:
        InputError: the address cannot be listened at.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With the protocol left out asyncio does not turn Nagle's algorithm off, and every page waits 40 ms for a
        # delayed acknowledgement.
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        # From here on visitors wait rather than being refused: the address is printed before the server runs.
        sock.listen(128)
    except OSError as error:
        raise InputError(
            f"{host}:{port} cannot be listened at ({error.strerror})", "choose another --host or --port"
        ) from None
    return sock
