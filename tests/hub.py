"""A model hub of one folder: what huggingface_hub asks for when it resolves and fetches files."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMITS = {"main": "a" * 40, "other": "b" * 40}


@contextmanager
def serve_hub(repositories: dict[str, Path], spaces: dict[str, Path] | None = None) -> Iterator[tuple[str, list[str]]]:
    """Serve models, ``{"org/name": folder}``, and spaces, whose folders hold a folder for each revision.

    Gives the endpoint and the list of paths asked for.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            parts = self.path.split("?")[0].strip("/").split("/")
            body = self._model_info(parts) if parts[0] == "api" else self._file(parts)
            status, content, headers = body or (404, b"{}", {"X-Error-Code": "EntryNotFound"})
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET

        def _model_info(self, parts: list[str]) -> Any:
            if parts[1] != "models" or len(parts) not in (4, 6):
                return None
            name, revision = "/".join(parts[2:4]), parts[5] if len(parts) == 6 else "main"
            if name not in repositories:
                return 404, b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound"}
            files = [{"rfilename": path.name} for path in sorted(repositories[name].iterdir())]
            info = {"id": name, "modelId": name, "sha": COMMITS.get(revision, revision), "siblings": files}
            return 200, json.dumps(info).encode(), {"Content-Type": "application/json"}

        def _file(self, parts: list[str]) -> Any:
            if parts[0] == "spaces" and len(parts) == 6 and parts[3] == "resolve":
                folder = (spaces or {}).get("/".join(parts[1:3]), Path("none"))
                return self._content(folder / parts[4] / parts[5], parts[4])
            if len(parts) != 5 or parts[2] != "resolve":
                return None
            return self._content(repositories.get("/".join(parts[:2]), Path("none")) / parts[4], parts[3])

        def _content(self, path: Path, revision: str) -> Any:
            if not path.is_file():
                return None
            content = path.read_bytes()
            etag = hashlib.sha256(content).hexdigest()
            commit = COMMITS.get(revision, revision)
            return 200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": commit, "Accept-Ranges": "none"}

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
