"""One request, as the strategy describes it, and its bytes."""

from dataclasses import dataclass
from urllib.parse import quote, unquote

from tests.fuzz.stage import NOBODY, Stage
from tests.fuzz.words import SAFE, TOKEN
from tests.support.places.routes import Route

BOUNDARY = "x"
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Attack:
    """`path` and `query` are as written in the address. `raw_body` is sent instead of `fields` and `files`.

    `has_token` tells whether it carries the CSRF token that its browser would have.
    """

    route: Route
    who: str = NOBODY
    method: str = "GET"
    path: str = "/"
    query: str = ""
    headers: Pairs = ()
    cookies: Pairs = ()
    has_token: bool = True
    fields: Pairs = ()
    files: Pairs = ()
    is_multipart: bool = False
    content_type: str | None = None
    raw_body: bytes | None = None
    is_chunked: bool = False

    @property
    def is_safe(self) -> bool:
        return self.method in SAFE

    def target(self, stage: Stage) -> str:
        return stage.fill(self.path, self.route) + (f"?{stage.fill(self.query, self.route)}" if self.query else "")

    def is_to_api(self, stage: Stage) -> bool:
        """Decides by the path as the server reads it, with escapes resolved."""
        return unquote(stage.fill(self.path, self.route)).startswith("/api/")

    def authorizations(self, stage: Stage) -> list[str]:
        named = [value for name, value in self.headers if name.lower() == "authorization"]
        return [stage.fill(value, self.route) for value in named]

    def request(self, stage: Stage) -> bytes:
        body, kind = self._body(stage)
        lines = [f"{self.method} {self.target(stage)} HTTP/1.1"]
        if not any(name.lower() == "host" for name, _ in self.headers):
            lines.append("Host: localhost")
        lines += ["Connection: close", *self._cookie_lines(stage)]
        if kind:
            lines.append(f"Content-Type: {kind}")
        if self.is_chunked:
            lines.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        elif body or not self.is_safe:
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {_one_line(stage.fill(value, self.route))}" for name, value in self.headers]
        return _bytes("\r\n".join(lines)) + b"\r\n\r\n" + body

    def _cookie_lines(self, stage: Stage) -> list[str]:
        cookies = [f"{name}={_one_line(stage.fill(value, self.route))}" for name, value in self.cookies]
        if self.who in stage.sessions:
            cookies.insert(0, f"sessionid={stage.sessions[self.who]}")
        if not self.has_token:
            return [f"Cookie: {'; '.join(cookies)}"] if cookies else []
        return [f"Cookie: {'; '.join([f'csrftoken={TOKEN}', *cookies])}", f"X-CSRFToken: {TOKEN}"]

    def _body(self, stage: Stage) -> tuple[bytes, str | None]:
        if self.raw_body is not None:
            return self.raw_body, self.content_type
        fields = [(name, _bytes(stage.fill(value, self.route))) for name, value in self.fields]
        if self.is_multipart:
            files = [(name, stage.fill(value, self.route)) for name, value in self.files]
            return _multipart(fields, files), self.content_type or f"multipart/form-data; boundary={BOUNDARY}"
        body = "&".join(f"{quote(_bytes(name))}={quote(value)}" for name, value in fields).encode()
        return body, self.content_type or ("application/x-www-form-urlencoded" if body else None)


def _multipart(fields: list[tuple[str, bytes]], files: list[tuple[str, str]]) -> bytes:
    parts = [b'name="%s"\r\n\r\n%s' % (_quoted(name), value) for name, value in fields]
    parts += [b'name="%s"; filename="%s"\r\n\r\n%s' % (_quoted(name), _quoted(file), b"1\n") for name, file in files]
    return b"".join(b"--x\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + b"--x--\r\n"


def _quoted(text: str) -> bytes:
    return _bytes(_one_line(text)).replace(b'"', b"%22")


def _bytes(text: str) -> bytes:
    """UTF-8; half of a surrogate pair becomes bytes that no decoder accepts."""
    return text.encode("utf-8", "surrogatepass")


def _one_line(text: str) -> str:
    return text.replace("\r", "").replace("\n", "")
