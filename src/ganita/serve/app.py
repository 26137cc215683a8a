"""The routes. FastAPI is imported inside `make_app`, so that the core works without the extra `serve`."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import html
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from typing import Any

from ganita.errors import MissingExtraError
from ganita.serve.engine import Engine, Job
from ganita.serve.limits import Limits, Refused
from ganita.serve.replies import Reply, error_body, event
from ganita.serve.requests import read_body, read_request

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PATIENCE = 0.25  # seconds between two looks whether the client is still there


def make_app(
    solver: Any,
    limits: Limits | None = None,
    *,
    model: str = "ganita",
    form: str = "equations",
    api_key: str = "",
    hosts: tuple[str, ...] = (),
) -> Any:
    """Return the ASGI application around a solver.

    `hosts`: the Host headers answered; empty: any. On loopback they are the loopback names, so that a page
    elsewhere cannot reach the server through a name that it points at 127.0.0.1 (DNS rebinding).
    Raises `MissingExtraError` where FastAPI is not installed.
    """
    try:
        from fastapi import FastAPI
        from starlette.routing import Route
    except ImportError:
        raise MissingExtraError("fastapi", "serve", "the server") from None
    server = _Server(solver, limits or Limits(), model, form, api_key, hosts)
    routes = [
        Route("/", server.guarded(server.page, key=False), methods=["GET"]),
        Route("/health", server.guarded(server.health, key=False), methods=["GET"]),
        Route("/v1/models", server.guarded(server.models), methods=["GET"]),
        Route("/v1/completions", server.guarded(server.completions), methods=["POST"]),
        Route("/v1/chat/completions", server.guarded(server.chat), methods=["POST"]),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(server.engine.close)

    # FastAPI's own documentation pages load scripts from elsewhere: off.
    app = FastAPI(routes=routes, lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.engine = server.engine
    return app


class _Server:
    """What the routes share."""

    def __init__(
        self, solver: Any, limits: Limits, model: str, form: str, api_key: str, hosts: tuple[str, ...]
    ) -> None:
        self.engine = Engine(solver, limits)
        self.limits, self.model, self.form, self.api_key, self.hosts = limits, model, form, api_key, hosts
        self.started = int(time.time())
        self._page, self._policy = _page(model, bool(api_key))

    def guarded(self, route: Callable[[Any], Awaitable[Any]], *, key: bool = True) -> Callable[[Any], Awaitable[Any]]:
        """Wrap a route: host and key are checked, refusals become JSON, every answer carries the safe headers."""

        async def answer(request: Any) -> Any:
            from starlette.responses import JSONResponse

            try:
                self._check_host(request)
                if key:
                    self._check_key(request)
                response = await route(request)
            except Refused as refused:
                response = JSONResponse(error_body(refused), refused.status)
                if refused.status == 503:
                    response.headers["Retry-After"] = "2"
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Cache-Control"] = "no-store"
            return response

        return answer

    def _check_host(self, request: Any) -> None:
        # `name`, `name:port`, or an IPv6 address in brackets.
        found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]+))(?::\d+)?", request.headers.get("host", ""))
        name = (found.group(1) or found.group(2)).lower() if found else ""
        if self.hosts and name not in self.hosts:
            raise Refused(403, "this server answers to its loopback name only", code="wrong_host")

    def _check_key(self, request: Any) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        if self.api_key and not hmac.compare_digest(given, self.api_key.encode()):
            raise Refused(401, "the API key is missing or wrong (Authorization: Bearer KEY)", code="invalid_api_key")

    async def page(self, _: Any) -> Any:
        """GET /: the page."""
        from starlette.responses import HTMLResponse

        headers = {"Content-Security-Policy": self._policy, "Referrer-Policy": "no-referrer"}
        return HTMLResponse(self._page, headers=headers)

    async def health(self, _: Any) -> Any:
        """GET /health: whether the worker lives, and how many wait."""
        from starlette.responses import JSONResponse

        state = self.engine.state()
        return JSONResponse(state, 200 if state["status"] == "ok" else 503)

    async def models(self, _: Any) -> Any:
        """GET /v1/models: the one model."""
        from starlette.responses import JSONResponse

        entry = {"id": self.model, "object": "model", "created": self.started, "owned_by": "ganita"}
        return JSONResponse({"object": "list", "data": [entry]})

    async def completions(self, request: Any) -> Any:
        """POST /v1/completions."""
        return await self._solve(request, chat=False)

    async def chat(self, request: Any) -> Any:
        """POST /v1/chat/completions."""
        return await self._solve(request, chat=True)

    async def _solve(self, request: Any, *, chat: bool) -> Any:
        # Another site's page may send text/plain without asking; JSON makes its browser ask first, and we decline.
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "send the body as application/json")
        try:
            raw = await asyncio.wait_for(self._body(request), self.limits.seconds)
        except TimeoutError:
            raise Refused(408, "the body did not arrive in time") from None
        body = read_body(raw)
        asked = read_request(body, chat=chat, model=self.model, form=self.form, limits=self.limits)
        job = self.engine.submit(asked)
        reply = Reply(job, self.model, self.engine.solver)
        return self._stream(request, job, reply) if asked.stream else await self._whole(request, job, reply)

    async def _body(self, request: Any) -> bytes:
        """Read at most the allowed bytes, whatever Content-Length says."""
        too_large = Refused(413, f"the body is larger than {self.limits.body_bytes} bytes", code="body_too_large")
        stated = request.headers.get("content-length", "")
        if stated.isdigit() and len(stated) < 20 and int(stated) > self.limits.body_bytes:
            raise too_large
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > self.limits.body_bytes:
                raise too_large
            parts.append(part)
        return b"".join(parts)

    async def _whole(self, request: Any, job: Job, reply: Reply) -> Any:
        from starlette.responses import JSONResponse, Response

        try:
            while not await request.is_disconnected():
                happened = await job.next_event(_PATIENCE)
                if happened is not None and happened.refused is not None:
                    raise happened.refused
                if happened is not None and happened.solution is not None:
                    return JSONResponse(reply.whole(happened.solution))
            return Response(status_code=499)  # nobody reads it: the client left
        finally:
            job.cancel()

    def _stream(self, request: Any, job: Job, reply: Reply) -> Any:
        from starlette.background import BackgroundTask
        from starlette.responses import StreamingResponse

        # The background task gives the job up even where the generator was never started.
        return StreamingResponse(
            _events(request, job, reply), media_type="text/event-stream", background=BackgroundTask(job.cancel)
        )


async def _events(request: Any, job: Job, reply: Reply) -> AsyncIterator[str]:
    """Yield server-sent events until the solution is whole, something is refused, or the client leaves."""
    try:
        if opening := reply.opening():
            yield opening
        while not await request.is_disconnected():
            happened = await job.next_event(_PATIENCE)
            if happened is None:
                continue
            if happened.refused is not None:
                yield event(error_body(happened.refused))
                return
            if happened.solution is not None:
                yield reply.closing(happened.solution)
                return
            yield reply.piece(happened.text)
    finally:
        job.cancel()


def _page(model: str, needs_key: bool) -> tuple[str, str]:
    """Return the page and its content-security policy, which lets run only the page's own script."""
    text = resources.files("ganita.serve").joinpath("page.html").read_text(encoding="utf-8")
    parts = {"model": html.escape(model), "key": "" if needs_key else "hidden"}
    text = re.sub(r"\{\{(model|key)\}\}", lambda place: parts[place.group(1)], text)
    found = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert found is not None
    digest = base64.b64encode(hashlib.sha256(found.group(1).encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return text, policy
