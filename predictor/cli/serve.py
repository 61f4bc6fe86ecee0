"""`predictor serve`: results in a browser."""

from __future__ import annotations

import gc
import os
import secrets
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.options import results_option
from predictor.distribution import install_command
from predictor.errors import InputError

if TYPE_CHECKING:
    from predictor.serve import Source

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
    "--token-file",
    type=click.Path(path_type=Path),
    help=f"File with what visitors must bring (default: the variable {_TOKEN}, or made up).",
)
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How often the results are looked at.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="checkpoints.yaml of these results: count every pair of the project, as 'status' does.",
)
def command(results: Path, host: str, port: int, token_file: Path | None, every: float, config: Path | None) -> None:
    """Show runs, curves, forecasts and progress in a browser.

    Only reads. Listens to this machine alone unless --host says otherwise, and then to those alone who have the token.

    \b
    Examples:
      predictor serve --results store/
      predictor serve --results store/ --config checkpoints.yaml
      predictor serve --results store/ --host 0.0.0.0 --port 8080
    """
    try:
        import uvicorn

        from predictor.serve import Source, make_app
    except ModuleNotFoundError as error:
        raise InputError(f"the package {error.name} is not installed", install_command("serve")) from None
    if config is not None:
        from predictor.project import load_project

        # What is wrong with it is said now, not on a page.
        load_project(config)
    token = read_token(token_file)
    made_up = token is None and host not in _LOOPBACK
    if made_up:
        token = secrets.token_urlsafe(24)
    sock = listen(host, port)
    source = Source(results, every=every, config=config)
    source.start()
    application = make_app(source, token)
    # What is loaded by now stays: looking through it for garbage would stop a page for a tenth of a second.
    gc.collect()
    gc.freeze()
    server = uvicorn.Server(
        # Visitors who read slowly must not keep the server from ending.
        uvicorn.Config(application, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    )
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{sock.getsockname()[1]}/"
    click.echo(f"{address}?token={token}" if made_up else address)
    click.echo("Ctrl-C ends it", err=True)
    # uvicorn passes on the signal that ended it: to end in silence is all that is left to do then.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: _end(source, 0 if number == signal.SIGTERM else 130))
    try:
        server.run(sockets=[sock])
    finally:
        source.close()


def _end(source: Source, code: int) -> None:
    """End now: nothing is held that would be lost, and whatever still waits for a visitor must not keep the process."""
    source.close()
    os._exit(code)


def read_token(path: Path | None) -> str | None:
    """Read what visitors must bring from a file, or from the environment; None where neither is given.

    Raises:
        InputError: it is empty, or the file cannot be read.
    """
    if path is None:
        token = os.environ.get(_TOKEN)
    else:
        try:
            token = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"the token's file {path} cannot be read ({error})", "write the token into it") from None
    if token is not None and not token.strip():
        raise InputError("the token is empty", f"write one into --token-file or {_TOKEN}, or leave both out")
    return token.strip() if token is not None else None


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
