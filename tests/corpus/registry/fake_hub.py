"""A Hugging Face hub on loopback: the endpoints that its client uses to list and download a data set."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """What it serves, how it fails, and what it was asked for."""

    url: str = ""
    commits: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    files: dict[str, bytes] = field(default_factory=dict)  # by path, the same in every commit
    gated: bool = False
    removed: bool = False
    cut_after: int = 0  # drop the connection after so many bytes of a body ...
    cuts: int = 0  # ... this many times
    ignore_ranges: bool = False
    spoil: bool = False  # send other bytes than the checksum says
    asked: list[str] = field(default_factory=list)

    def bodies(self) -> list[str]:
        """The requests for contents, without those for names and sizes."""
        return [line for line in self.asked if line.startswith("GET") and "/resolve/" in line]


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        spread = self.headers.get("Range", "")
        self.hub.asked.append(f"{self.command} {path} {spread}".strip())
        if self.hub.removed:
            return self._fail(404, "RepoNotFound")
        if match := re.fullmatch(r"/api/datasets/org/name/revision/(.+)", path):
            commit = self.hub.commits.get(match[1])
            return self._json({"id": "org/name", "sha": commit}) if commit else self._fail(404, "RevisionNotFound")
        if match := re.fullmatch(r"/api/datasets/org/name/tree/([^/]+)(?:/(.*))?", path):
            return (
                self._tree(match[2] or "")
                if match[1] in self.hub.commits.values()
                else self._fail(404, "RevisionNotFound")
            )
        if match := re.fullmatch(r"/datasets/org/name/resolve/([^/]+)/(.+)", path):
            if self.hub.gated:
                return self._fail(401, "GatedRepo")
            return (
                self._file(match[1], match[2], spread, body=body)
                if match[2] in self.hub.files
                else self._fail(404, "EntryNotFound")
            )
        return self._fail(404, "RepoNotFound")

    def _tree(self, folder: str) -> None:
        files = [
            {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            for path, data in self.hub.files.items()
            if path.startswith(f"{folder}/" if folder else "")
        ]
        return self._json(files) if files else self._fail(404, "EntryNotFound")

    def _file(self, commit: str, path: str, spread: str, *, body: bool) -> None:
        data, start = self.hub.files[path], 0
        checksum = hashlib.sha256(data).hexdigest()
        if spread and not self.hub.ignore_ranges:
            start = int(spread.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", f'"{checksum}"')
        self.send_header("X-Repo-Commit", self.hub.commits.get(commit, commit))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if body:
            data = bytes(len(data)) if self.hub.spoil else data
            if self.hub.cuts:
                self.hub.cuts -= 1
                self.wfile.write(data[start : start + self.hub.cut_after])
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()
                return
            self.wfile.write(data[start:])

    def _json(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _fail(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", f"made up: {code}")
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def serve() -> Iterator[FakeHub]:
    """Run a hub that holds the data set org/name."""
    hub = FakeHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
