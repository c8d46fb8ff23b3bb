"""A person with their own browser, who visits a real server over HTTP."""

from http.cookies import SimpleCookie
from urllib.parse import urlencode

from django.urls import reverse

from tests.support.programs.servers import Answer, Server


class Visitor:
    """Keeps the server's cookies, as a browser does, but does not follow redirects."""

    accept = "text/html"

    def __init__(self, server: Server, **cookies: str) -> None:
        self._server = server
        self._address: dict[str, str] = {}
        self.cookies = {"csrftoken": "t" * 32, **cookies}

    @property
    def session_id(self) -> str:
        return self.cookies["sessionid"]

    def coming_from(self, address: str) -> "Visitor":
        """Sets the client's address, for servers that trust one proxy."""
        self._address = {"X-Forwarded-For": address}
        return self

    def get(self, path: str) -> Answer:
        return self._request("GET", path)

    def post(self, path: str, **fields: str) -> Answer:
        return self._request("POST", path, urlencode(fields))

    def sign_in(self, email: str, password: str) -> "Visitor":
        """Submits only the password. The server asks for a second factor afterwards."""
        assert self.post(reverse("account_login"), login=email, password=password).status == 302
        return self

    def sees(self, name: str) -> bool:
        """Whether the page of that name opens instead of redirecting."""
        return self.get(reverse(name)).status == 200

    def _request(self, method: str, path: str, body: str | None = None) -> Answer:
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "Content-Type": "application/x-www-form-urlencoded",
            "X-CSRFToken": self.cookies["csrftoken"],
            "Accept": self.accept,
            **self._address,
        }
        answer = self._server.request(method, path, body, headers)
        for line in answer.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        return answer
