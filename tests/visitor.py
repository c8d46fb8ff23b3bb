"""A browser without script, as far as forms and cookies go, before a real server."""

import re
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from tests.servers import Answer, Server


class Visitor:
    def __init__(self, server: Server, **headers: str) -> None:
        self._server = server
        self._cookies: dict[str, str] = {}
        self._more = headers

    def get(self, path: str) -> Answer:
        return self._keep(self._server.request("GET", path, headers=self._headers()))

    def post(self, path: str, **fields: str) -> Answer:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(path).body.decode())
        assert token
        headers = {**self._headers(), "Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode({"csrfmiddlewaretoken": token[1], **fields})
        return self._keep(self._server.request("POST", path, body, headers))

    def _headers(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()), **self._more}

    def _keep(self, answer: Answer) -> Answer:
        for header in answer.headers.get_all("Set-Cookie", []):
            self._cookies |= {name: morsel.value for name, morsel in SimpleCookie(header).items()}
        return answer
