"""Servers on this machine: a chat server that behaves as a test wants and notes what it was asked, and files."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

Answer: TypeAlias = Callable[[int, Any], tuple[int, dict[str, str], bytes]]


class ChatServer:
    """``answer(number, request)`` gives (status, headers, body); number counts requests from 0."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.times: list[float] = []
        self.at_once = 0
        self.most_at_once = 0
        self.lock = threading.Lock()
        self.url = ""

    def handle(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Note a request and answer it."""
        with self.lock:
            number = len(self.requests)
            self.requests.append(json.loads(body))
            self.headers.append(headers)
            self.paths.append(path)
            self.times.append(time.monotonic())
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return self.answer(number, self.requests[number])
        finally:
            with self.lock:
                self.at_once -= 1


def completion(text: Any, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """A chat completion that says ``text``."""
    return 200, headers, json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


@contextmanager
def chat_servers() -> Iterator[Callable[[Answer], ChatServer]]:
    """Run a server for many tests on a free port of this machine: it answers as the last that was called wants."""
    now: list[ChatServer] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            chat = now[-1]  # the requests of an earlier one that hang are still its own
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, content = chat.handle(self.path, dict(self.headers), body)
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(content)
            except OSError:  # the client has gone: what a time-out test wants
                pass

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()

    def serve(answer: Answer) -> ChatServer:
        now.append(ChatServer(answer))
        now[-1].url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        return now[-1]

    try:
        yield serve
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def chat_server(answer: Answer) -> Iterator[ChatServer]:
    """Run a server that answers by ``answer`` on a free port of this machine."""
    with chat_servers() as serve:
        yield serve(answer)


@contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """Serve the files of a folder on a free port of this machine; gives its address."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
