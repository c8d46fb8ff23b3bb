"""The operator's API behind a gateway. It runs on hypercorn: a client can upgrade to HTTP/2 or to a websocket."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from socket import create_server
from threading import Thread
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from tests.support.gateways.proxies import Received


class Api:
    """Records its requests. A websocket echoes. `/status/401` answers 401; any other path answers 200, with its own
    body and headers. `/limited` has a rate limit of its own.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        listener = create_server(("127.0.0.1", 0))
        self.server_port = listener.getsockname()[1]
        self._config = Config()
        self._config.bind = [f"fd://{listener.detach()}"]
        self._config.h11_pass_raw_headers = True
        # A proxy keeps connections to the API open between tests, and nobody may close them.
        self._config.keep_alive_timeout = 3600
        self._config.graceful_timeout = 0
        self._config.errorlog = None
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["Api"]:
        api = cls()
        thread = Thread(target=api._run)
        thread.start()
        try:
            yield api
        finally:
            api._loop.call_soon_threadsafe(api._stopping.set)
            thread.join()

    def _run(self) -> None:
        # Connections that are still open at the end are cut without a message.
        self._loop.set_exception_handler(lambda loop, context: None)
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(serve(self._answer, self._config, shutdown_trigger=self._stopping.wait))

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            self._note(scope, "")
            await _echo(receive, send)
        elif scope["type"] == "http":
            self._note(scope, await _body(receive))
            path = scope["path"]
            status = int(path.removeprefix("/status/")) if path.startswith("/status/") else 200
            headers = [(b"content-type", b"text/plain"), (b"www-authenticate", b"Own")]
            if path == "/limited":
                headers.append((b"ratelimit", b'"own";r=7;t=1'))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"the API's own answer"})

    def _note(self, scope: Any, body: str) -> None:
        query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        method = scope.get("method", "GET")
        self.received.append(Received(method, scope["raw_path"].decode() + query, headers, body, scope["http_version"]))


async def _body(receive: Any) -> str:
    parts = []
    while (event := await receive())["type"] == "http.request":
        parts.append(event["body"])
        if not event["more_body"]:
            break
    return b"".join(parts).decode()


async def _echo(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})
