"""`serve`: load the model, bind, run until a signal, stop cleanly."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any

from ganita.errors import GanitaError, MissingExtraError
from ganita.progress import Reporter
from ganita.runs import Run
from ganita.serve.app import LOOPBACK, make_app
from ganita.serve.limits import Limits

GRACE_SECONDS = 5  # for answers that are under way when the server stops


def serve(
    run_folder: Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits | None = None,
    api_key: str = "",
    reporter: Reporter | None = None,
) -> None:
    """Serve the final model of a run until SIGINT or SIGTERM.

    Raises `GanitaError` if the run holds no model or the port is taken, `MissingExtraError` without the extra `serve`.
    """
    _require_uvicorn()  # before the model is loaded, which takes longer
    from ganita.solve.solver import load_solver

    reporter = reporter or Reporter()
    recipe = Run(run_folder).recipe()
    with listen(host, port) as listening:
        solver = load_solver(run_folder, calculator=recipe.evaluate.calculator)
        hosts = LOOPBACK if host in LOOPBACK else ()
        app = make_app(solver, limits, model=recipe.name, form=recipe.evaluate.form, api_key=api_key, hosts=hosts)
        announce(host, listening.getsockname()[1], recipe.name, bool(api_key), reporter)
        with contextlib.suppress(KeyboardInterrupt):
            make_server(app, host, limits or Limits()).run(sockets=[listening])
        reporter.say("stopped")


def make_server(app: Any, host: str, limits: Limits) -> Any:
    """Return a uvicorn server for `app`; its signal handlers end it within `GRACE_SECONDS`."""
    _require_uvicorn()
    import uvicorn

    config = uvicorn.Config(
        app,
        host=host,
        log_level="warning",
        server_header=False,
        # Connections past this get 503 at once; the queue's own bound is the tighter one for real requests.
        limit_concurrency=limits.queue_length + 64,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=16 * 1024,
    )
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """Bind and return a listening socket; a taken or forbidden port is a `GanitaError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise GanitaError(f"cannot listen on {host}:{port} ({error}); choose another with --port or --host") from None


def announce(host: str, port: int, model: str, has_key: bool, reporter: Reporter) -> None:
    """Say where the server is, and warn where others can reach it."""
    shown = f"[{host}]" if ":" in host else host
    reporter.say(f"{model}: http://{shown}:{port}/ (page), http://{shown}:{port}/v1 (API); Ctrl-C stops it")
    if host not in LOOPBACK:
        key = "with an API key" if has_key else "and no API key is set (GANITA_API_KEY)"
        reporter.warn(f"listening on {host}: whoever reaches this machine can use the model, {key}; there is no TLS")


def _require_uvicorn() -> None:
    try:
        import uvicorn  # noqa: F401
    except ImportError:
        raise MissingExtraError("uvicorn", "serve", "the server") from None
