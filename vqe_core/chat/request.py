"""One HTTP request, with a bound on its time and on its answer, by the standard library alone."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

MAX_ANSWER = 1 << 20  # bytes; what is asked for is a line
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
RETRIED = frozenset({408, 425, 429}) | frozenset(range(500, 600))


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status, 0 where there was no answer.
        body: bytes of the answer, or why there was none, as UTF-8.
        retry_after: seconds that the server asks to wait, None where it does not say.
        reason: a word for a missing answer: ``timeout``, ``unreachable`` or ``too_long``.
    """

    status: int
    body: bytes = b""
    retry_after: float | None = None
    reason: str = ""

    @property
    def worth_retrying(self) -> bool:
        """Whether the same request may succeed later."""
        return self.reason in ("timeout", "unreachable") or self.status in RETRIED


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to a host the user did not name."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def post(url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
    """Send ``body`` and wait at most about ``timeout`` seconds for the whole answer. Raises nothing."""
    deadline = time.monotonic() + timeout
    request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")
    # A proxy set for the outside world knows nothing of this machine, and must not see its keys.
    proxies = [urllib.request.ProxyHandler({})] if urlsplit(url).hostname in LOOPBACK else []
    opener = urllib.request.build_opener(_NoRedirect, *proxies)
    try:
        with opener.open(request, timeout=timeout) as response:
            return _read(response, int(response.status), deadline)
    except urllib.error.HTTPError as error:
        with error:
            answer = _read_quietly(error, deadline)
            return Answer(error.code, answer, _retry_after(error.headers))
    except (OSError, HTTPException, ValueError) as error:  # URLError and TimeoutError are OSErrors
        cause = getattr(error, "reason", error)
        reason = "timeout" if isinstance(cause, TimeoutError) else "unreachable"
        return Answer(0, str(cause).encode(errors="replace"), reason=reason)


def _read(response: Any, status: int, deadline: float) -> Answer:
    """The body, read piece by piece, since a server that sends a byte now and then never times out by itself."""
    parts, size = [], 0
    while part := response.read1(1 << 16):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER:
            return Answer(status, f"more than {MAX_ANSWER} bytes".encode(), reason="too_long")
        if time.monotonic() > deadline:
            return Answer(0, b"the answer did not end in time", reason="timeout")
    return Answer(status, b"".join(parts))


def _read_quietly(response: Any, deadline: float) -> bytes:
    try:
        return _read(response, 0, deadline).body
    except (OSError, HTTPException, ValueError):
        return b""


def _retry_after(headers: Message) -> float | None:
    """Seconds of a Retry-After header, given as a number or as a date."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
