"""The web application: routes, the token, and answers to whatever is asked."""

from __future__ import annotations

import asyncio
import gzip
import hmac
import json
import secrets
import time
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.resources import files
from typing import Any

import plotly.offline
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from predictor.errors import PredictorError, UnknownNameError
from predictor.report.html import pack, packed_colours, page_environment
from predictor.serve import pages
from predictor.serve.cached import Page, Pages
from predictor.serve.forecasts import BusyError
from predictor.serve.health import is_well, metrics_text
from predictor.serve.items import items_page
from predictor.serve.registered import record_page, registered_page, registration_page
from predictor.serve.source import Source

COOKIE = "predictor-session"
HEALTH = "/healthz"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
# Pages whose numbers come from the ledger, counted anew every second.
_COUNTING = ("/", "/progress", "/progress.json")
# Seconds for which a visitor waits for a page's newest numbers where there are earlier ones.
_PATIENCE = 0.1
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src data: blob:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def make_app(source: Source, token: str | None = None) -> Starlette:
    """Make the application over results that `source` keeps up to date; it only reads.

    Args:
        source: started already.
        token: what a visitor must bring, as `?token=` once, or as a bearer token; nobody is asked where None, and then
            only requests to this machine's own names are answered.
    """
    kept = Pages()
    page = partial(_page, source, kept)
    routes = [
        Route("/", page("overview.html.j2", lambda request: pages.overview(source))),
        Route("/runs/{name:path}", page("run.html.j2", lambda request: _run(source, request))),
        Route("/benchmarks", page("benchmarks.html.j2", lambda request: {"tasks": source.summary.tasks()})),
        Route("/benchmarks/{name:path}", page("benchmark.html.j2", lambda request: _task(source, request))),
        Route("/items/{name:path}", page("items.html.j2", lambda request: _items(source, request), keep=False)),
        Route("/forecast", page("forecast.html.j2", lambda request: _forecast(source, request), keep=False)),
        Route("/registered", page("registered.html.j2", lambda request: registered_page(source.path), keep=False)),
        Route("/registered/{number}", page("registration.html.j2", _registration(source), keep=False)),
        Route("/record", page("record.html.j2", lambda request: record_page(source.path), keep=False)),
        Route("/progress", page("progress.html.j2", lambda request: {"progress": source.progress()})),
        Route("/progress.json", _progress(source, kept)),
        Route(HEALTH, _health(source)),
        Route("/metrics", _metrics(source)),
        Route("/static/{name}", _static),
    ]
    if token is None:
        # A page on the web that points its own name at this machine must not read what is here.
        gate = Middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK), www_redirect=False)
    else:
        gate = Middleware(TokenGate, token=token)
    _warm()
    handlers: dict[Any, Any] = {HTTPException: _http_error, Exception: _failure}
    app = Starlette(routes=routes, middleware=[gate], exception_handlers=handlers)
    app.state.source = source
    return app


class TokenGate:
    """Lets nobody in without the token, and says nothing else to them.

    Args:
        app: what it guards.
        token: the secret.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self.token = token
        # What a browser keeps is worth nothing once this server has ended.
        self._session = secrets.token_urlsafe(24)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        if request.url.path == HEALTH:
            # Probes have no token, and learn one word.
            await self.app(scope, receive, send)
            return
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if _same(bearer, self.token) or _same(request.cookies.get(COOKIE, ""), self._session):
            await self.app(scope, receive, send)
            return
        response: Response
        if _same(request.query_params.get("token", ""), self.token):
            # Out of the address line, where it would be copied and logged.
            # One slash: a path that begins with two would lead to another server.
            path = "/" + request.url.path.lstrip("/")
            response = RedirectResponse(path, status_code=303, headers={"Cache-Control": "no-store"})
            response.set_cookie(COOKIE, self._session, httponly=True, samesite="strict")
        else:
            response = PlainTextResponse("A token is needed; it was printed when the server started.\n", 401)
        await response(scope, receive, send)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _page(source: Source, kept: Pages, template: str, content: Any, keep: bool = True) -> Any:
    """Make what answers requests for a kind of page; `keep` where equal requests have equal answers."""

    def make(request: Request) -> Page:
        try:
            found = content(request)
        except UnknownNameError as error:
            return _render("error.html.j2", source, request, 404, error=error)
        except BusyError as error:
            return _render("error.html.j2", source, request, 429, error=error)
        except PredictorError as error:
            return _render("error.html.j2", source, request, 400, error=error)
        return _render(template, source, request, 200, **found)

    async def answer(request: Request) -> Response:
        if not keep:
            return _sent(request, await run_in_threadpool(make, request))
        return await _kept(source, kept, request, partial(make, request))

    return answer


async def _kept(source: Source, kept: Pages, request: Request, make: Callable[[], Page]) -> Response:
    """Answer with what is kept of a page, or make it."""
    facts = source.facts
    counted = int(time.monotonic()) if request.url.path in _COUNTING else 0
    stamp = (facts.generation, facts.complete, facts.trouble, counted)
    # Only what makes a difference: other words in an address must not have a page made again.
    address = "|".join((request.url.path, *(request.query_params.get(name, "") for name in ("page", "family"))))
    page = kept.known(address, stamp)
    if page is None:
        making = asyncio.ensure_future(run_in_threadpool(kept.get, address, stamp, make))
        last = kept.last(address)
        # While many pages change at once, the next visitor will find the new one.
        done, _ = await asyncio.wait({making}, timeout=_PATIENCE if last is not None else None)
        page = making.result() if done or last is None else last
    return _sent(request, page)


def _sent(request: Request, page: Page) -> Response:
    headers = {**_HEADERS, "Vary": "Accept-Encoding"}
    if page.tag:
        headers["ETag"] = page.tag
        if page.code == 200 and request.headers.get("if-none-match") == page.tag:
            return Response(status_code=304, headers=headers)
    content = page.content
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        content = gzip.decompress(content)
    if page.code == 429:
        headers["Retry-After"] = "10"
    return Response(content, page.code, headers, media_type=page.kind)


def _progress(source: Source, kept: Pages) -> Any:
    def make() -> Page:
        progress = source.progress()
        text = json.dumps({"counts": progress.counts, "runs": progress.by_run})
        return Page.of(text, kind="application/json")

    async def answer(request: Request) -> Response:
        return await _kept(source, kept, request, make)

    return answer


def _health(source: Source) -> Any:
    async def answer(request: Request) -> Response:
        well, word = await run_in_threadpool(is_well, source)
        return PlainTextResponse(f"{word}\n", 200 if well else 503, headers={"Cache-Control": "no-store"})

    return answer


def _metrics(source: Source) -> Any:
    async def answer(request: Request) -> Response:
        text = await run_in_threadpool(metrics_text, source)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8", headers=_HEADERS)

    return answer


def _run(source: Source, request: Request) -> dict[str, Any]:
    text = request.query_params.get("page", "1")
    page = int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 1
    return pages.run_page(source.summary, request.path_params["name"], page)


def _task(source: Source, request: Request) -> dict[str, Any]:
    return pages.task_page(source.summary, request.path_params["name"], request.query_params.get("family"))


def _items(source: Source, request: Request) -> dict[str, Any]:
    return items_page(source, request.path_params["name"], dict(request.query_params))


def _forecast(source: Source, request: Request) -> dict[str, Any]:
    client = request.client.host if request.client is not None else ""
    return pages.forecast_page(source, dict(request.query_params), client)


def _registration(source: Source) -> Callable[[Request], dict[str, Any]]:
    return lambda request: registration_page(source.path, request.path_params["number"])


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    kinds = {"css": "text/css", "js": "text/javascript"}
    if name == "plotly.js":
        headers = {"Content-Encoding": "gzip", "Cache-Control": "private, max-age=86400"}
        return Response(_plotly(), media_type=kinds["js"], headers=headers)
    if name in ("report.css", "plots.js"):
        text = files("predictor.report").joinpath(name).read_text(encoding="utf-8")
    elif name in ("serve.css", "live.js"):
        text = files("predictor.serve").joinpath(name).read_text(encoding="utf-8")
    else:
        raise HTTPException(404)
    return Response(text, media_type=kinds[name.rsplit(".", 1)[-1]], headers={"Cache-Control": "private, max-age=300"})


def _warm() -> None:
    """Do once what the first visitor would wait for."""
    templates = page_environment("predictor.serve", "templates")
    for name in templates.list_templates(filter_func=lambda name: not name.startswith("report/")):
        templates.get_template(name)
    packed_colours()
    _plotly()


@lru_cache(maxsize=1)
def _plotly() -> bytes:
    return gzip.compress(plotly.offline.get_plotlyjs().encode(), compresslevel=6, mtime=0)


async def _http_error(request: Request, error: Exception) -> Response:
    code = error.status_code if isinstance(error, HTTPException) else 500
    said = {404: "there is no such page", 405: "this page only shows, nothing can be sent to it"}
    problem = PredictorError(said.get(code, "the request was not understood"), "go back to the runs")
    return _sent(request, _render("error.html.j2", request.app.state.source, request, code, error=problem))


async def _failure(request: Request, error: Exception) -> Response:
    return PlainTextResponse("Something went wrong on the server; its log says what.\n", 500)


def _render(template: str, source: Source, request: Request, code: int, **content: Any) -> Page:
    figures = content.pop("figures", {})
    packed = pack(json.dumps(figures, ensure_ascii=False, separators=(",", ":"), allow_nan=False)) if figures else None
    facts = source.facts
    text = (
        page_environment("predictor.serve", "templates")
        .get_template(template)
        .render(
            **content,
            results=source.path.name or str(source.path),
            facts=facts,
            path=request.url.path,
            packed_figures=packed,
            packed_colours=packed_colours(),
        )
    )
    return Page.of(text, code)
