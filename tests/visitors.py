"""Somebody with a browser of their own, at a real server."""

from http.cookies import SimpleCookie
from urllib.parse import urlencode

from tests.servers import Answer, Server


class Visitor:
    """Keeps its cookies. Forms carry the token that they need; redirects are answers, nothing follows them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cookies = {"csrftoken": "t" * 32}

    def get(self, path: str) -> Answer:
        return self._ask("GET", path)

    def post(self, path: str, **fields: str) -> Answer:
        return self._ask("POST", path, urlencode({"csrfmiddlewaretoken": self.cookies["csrftoken"], **fields}))

    def _ask(self, method: str, path: str, body: str | None = None) -> Answer:
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        answer = self.server.request(method, path, body, headers)
        for header in answer.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(header).items():
                self.cookies[name] = morsel.value
        return answer
