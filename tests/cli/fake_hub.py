"""A hub for models on this machine: as much of huggingface.co's interface as a download asks for."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "maker/model-diffusers"
GATED = "maker/gated"


@dataclass
class Hub:
    """What a hub has, and what it was asked for."""

    folder: Path
    address: str = ""
    asked: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    lies: dict[str, bytes] = field(default_factory=dict)
    """Files that are sent in the place of the real ones."""
    extra: list[str] = field(default_factory=list)
    """Names that are listed, and that no file has."""

    def listing(self) -> dict[str, object]:
        siblings = [self._sibling(path) for path in sorted(self.folder.rglob("*")) if path.is_file()]
        siblings += [{"rfilename": name, "size": 3, "blobId": "0" * 40} for name in self.extra]
        return {
            "_id": "1",
            "id": REPOSITORY,
            "modelId": REPOSITORY,
            "sha": COMMIT,
            "cardData": {"license": "apache-2.0"},
            "tags": [],
            "downloads": 0,
            "private": False,
            "siblings": siblings,
        }

    def _sibling(self, path: Path) -> dict[str, object]:
        content = path.read_bytes()
        facts: dict[str, object] = {
            "rfilename": path.relative_to(self.folder).as_posix(),
            "size": len(content),
            "blobId": hashlib.sha1(content).hexdigest(),
        }
        if path.suffix == ".safetensors":
            sha256 = hashlib.sha256(content).hexdigest()
            facts["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
        return facts


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve `hub` on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, *, body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(f"{self.command} {path}")
            if path.startswith(f"/api/models/{GATED}"):
                self._send(403, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "ask first"}, body)
            elif path in (f"/api/models/{REPOSITORY}", f"/api/models/{REPOSITORY}/revision/{COMMIT}"):
                listing = json.dumps(hub.listing()).encode()
                self._send(200, listing, {"Content-Type": "application/json", "X-Repo-Commit": COMMIT}, body)
            elif path.startswith(f"/api/models/{REPOSITORY}/revision/"):
                self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body)
            elif path.startswith(f"/{REPOSITORY}/resolve/{COMMIT}/"):
                self._file(path.partition(f"/resolve/{COMMIT}/")[2], body)
            else:
                self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)

        def _file(self, name: str, body: bool) -> None:
            path = hub.folder / name
            if not path.is_file():
                self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, body)
                return
            content = hub.lies.get(name, path.read_bytes())
            kind = hashlib.sha256 if path.suffix == ".safetensors" else hashlib.sha1
            if body:
                hub.fetched.append(name)
            self._send(200, content, {"ETag": f'"{kind(content).hexdigest()}"', "X-Repo-Commit": COMMIT}, body)

        def _send(self, code: int, content: bytes, headers: dict[str, str], body: bool) -> None:
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
