"""One request to an endpoint and its answer, by the package ``openai``, bounded in time and length.

Headers, proxies, certificates and bounds are decided here, as that package decides them otherwise; the reason stands
beside each.
"""

from __future__ import annotations

import importlib
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from vqe_core.errors import InputError, MissingPackageError

CHAT = "/chat/completions"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_ANSWER = 1 << 20  # bytes; what is asked for is a line
RETRIED = frozenset({408, 425, 429}) | frozenset(range(500, 600))


def missing_openai() -> MissingPackageError:
    """Return the error that says how to get openai."""
    return MissingPackageError("a model behind an endpoint needs openai (pip install 'vqe-core[llm]')")


@dataclass(frozen=True)
class Answer:
    """Answer of a server.

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
        """Tell whether the same request may succeed later."""
        return self.reason in ("timeout", "unreachable") or self.status in RETRIED


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds of a Retry-After header, given as a number or as a date."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True)
class Sender:
    """Sends requests to one server by openai's client, with what may be trusted on the way.

    Attributes:
        openai: the package.
        http: the package that it sends by: httpx, and httpx2 from openai 3.0 on.
        trusted: certificates of this machine, which SSL_CERT_FILE and SSL_CERT_DIR change; httpx has its own.
        proxy: of ``http``, None for none.
    """

    openai: Any
    http: Any
    trusted: ssl.SSLContext
    proxy: Any = field(repr=False)

    @classmethod
    def to(cls, url: str) -> Sender:
        """Return the sender to ``url``. Made anew in each call, so that it never crosses to another process.

        Raises:
            InputError: the proxy that the environment names is none.
            MissingPackageError: openai is not installed.
        """
        try:
            import openai.resources.chat  # which openai itself would import as late as in the first request

            client: Any = openai.DefaultHttpxClient
        except (ImportError, AttributeError) as error:  # of old releases too
            raise missing_openai() from error
        http = importlib.import_module(client.__mro__[1].__module__.partition(".")[0])
        return cls(openai, http, ssl.create_default_context(), _proxy_for(url, http))

    def send(self, url: str, key: str | None, request: Mapping[str, Any], timeout: float) -> Answer:
        """Send a request and wait at most about ``timeout`` seconds for the whole answer. Raises nothing expected."""
        openai = self.openai
        try:
            with self._client(url, key) as client:
                # The parsed form of an answer is not asked for: the client checks it itself.
                response = client.chat.completions.with_raw_response.create(**request, timeout=timeout).http_response
        except openai.APIStatusError as error:
            response = error.response
        except openai.APITimeoutError as error:
            return Answer(0, _cause(error), reason="timeout")
        # Names of hosts that cannot be are errors of other kinds, which openai leaves as they are.
        except (openai.OpenAIError, self.http.InvalidURL, OSError, UnicodeError) as error:
            return Answer(0, _cause(error), reason="unreachable")
        status, body = int(response.status_code), bytes(response.content)
        if len(body) > MAX_ANSWER:
            reason = "too_long" if status == 200 else ""
            return Answer(status, f"more than {MAX_ANSWER} bytes".encode(), reason=reason)
        return Answer(status, body, _seconds(response.headers.get("Retry-After")))

    def _client(self, url: str, key: str | None) -> Any:
        """Return a client for one request.

        It is closed by the thread that made it: threads are left behind at the deadline, and to close what another
        thread reads from is no way to end it. It takes 0.2 ms.
        """
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        inner = self.http.HTTPTransport(verify=self.trusted, trust_env=False, proxy=self.proxy)
        return self.openai.OpenAI(
            base_url=url.removesuffix(CHAT),
            api_key="sent by the transport, where there is one",  # without any, openai takes OPENAI_API_KEY
            max_retries=0,
            http_client=self.openai.DefaultHttpxClient(
                transport=_Transport(inner, headers, self.http), trust_env=False, follow_redirects=False
            ),
        )


@dataclass(frozen=True)
class _Transport:
    """Transport over the network: the headers named here and no others, for one answer bounded in length and time.

    openai adds headers of the variables OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS, which are meant
    for another server, and headers about this machine. Its time-outs are of each piece of an answer, so that a server
    that sends a byte now and then is never done; and it reads as much as there is, uncompressed.

    Attributes:
        inner: transport of ``http``.
        headers: with the key.
        http: see ``Sender``.
    """

    inner: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    http: Any = field(repr=False)

    def handle_request(self, request: Any) -> Any:
        """Send a request; return its answer, read to its end or to the first byte that is too many."""
        end = time.monotonic() + request.extensions["timeout"]["read"]
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "User-Agent": "vqe-core",
            **self.headers,
        }
        # A request of its own: openai still reads the headers of the one that it made.
        response = self.inner.handle_request(
            self.http.Request(
                request.method, request.url, headers=headers, content=request.content, extensions=request.extensions
            )
        )
        try:
            body = self._read(response, end)
        except self.http.TransportError as error:
            if response.status_code == 200:
                raise
            body = _cause(error)  # the status says enough
        finally:
            response.close()
        retry_after = response.headers.get("Retry-After")
        kept = {} if retry_after is None else {"Retry-After": retry_after}
        return self.http.Response(response.status_code, headers=kept, content=body)

    def _read(self, response: Any, end: float) -> bytes:
        body = b""
        for part in response.iter_raw():
            body += part
            if len(body) > MAX_ANSWER:
                break
            if time.monotonic() > end:
                raise self.http.ReadTimeout("the answer did not end in time")
        return body

    def close(self) -> None:
        """Close what is open."""
        self.inner.close()


def _cause(error: BaseException) -> bytes:
    """Return what an error says, or the one that it stands for."""
    return str(error.__cause__ or error).encode(errors="replace")


def _proxy_for(url: str, http: Any) -> Any:
    """Return the proxy that the variables http_proxy, https_proxy and no_proxy name for an address, None for none.

    httpx would take all_proxy too. A proxy set for the outside world knows nothing of this machine, and must not see
    its keys.

    Raises:
        InputError: it is no address of an HTTP proxy.
    """
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if not proxy or parts.hostname in LOOPBACK or proxy_bypass(parts.netloc):
        return None
    try:
        found = http.Proxy(proxy if "://" in proxy else f"http://{proxy}")
        usable = found.url.scheme in ("http", "https") and bool(found.url.host)
    except (http.InvalidURL, ValueError):
        usable = False
    if not usable:
        # not repeated in the message: it may hold a password
        raise InputError(
            f"environment variable {parts.scheme}_proxy must be the address of an HTTP proxy, such as "
            f"http://proxy:3128; mend it, or name {parts.hostname} in no_proxy"
        )
    return found
