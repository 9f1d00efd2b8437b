"""One chat server for the tests of a module, and no key of whoever runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.servers import Answer, ChatServer, chat_servers

OF_OPENAI = ("API_KEY", "ADMIN_KEY", "BASE_URL", "ORG_ID", "PROJECT_ID", "CUSTOM_HEADERS")


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OF_OPENAI:
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[[Answer], ChatServer]]:
    with chat_servers() as serve:
        yield serve
