"""A provider of single sign-on that tells the truth or lies, as the test says."""

import json
import secrets
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client

from tests.support.programs.oidc_provider import address_of_provider

CLIENT_ID, CLIENT_SECRET = "latchkey", "a secret of the client"


@cache
def key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_key(number: int) -> dict[str, Any]:
    found: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(key(number).public_key(), as_dict=True)
    return found | {"kid": f"key-{number}", "use": "sig", "alg": "RS256"}


def pem() -> bytes:
    return key(1).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class LyingProvider:
    """`claims` and `header` replace parts of each token; None leaves a claim out. `answers` replace whole answers, by
    path: a dictionary, or a function that writes the answer. With a `certificate`, the provider speaks TLS.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.signing_key: Any = key(1)
        self.algorithm = "RS256"
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        self.forms: list[dict[str, str]] = []
        self._visits: dict[str, dict[str, str]] = {}  # by code
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.issuer = f"{'https' if certificate else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        if certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that refuses it

    @contextmanager
    def running(self) -> Iterator["LyingProvider"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def come_back(
        self, address: str, *, subject: str = "ada", email: str = "ada@example.com", code: str = "", **claims: Any
    ) -> str:
        """The path to which this provider sends a person who signs in there as `subject`."""
        asked = dict(parse_qsl(urlsplit(address).query))
        code = code or secrets.token_urlsafe()
        self._visits[code] = asked
        self.claims = {"sub": subject, "email": email, "email_verified": True, **claims}
        query = urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
        return f"{urlsplit(asked['redirect_uri']).path}?{query}"

    def token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims = {name: value for name, value in (claims | self.claims).items() if value is not None}
        header = {"kid": "key-1", **self.header}
        return jwt.encode(claims, self.signing_key, self.algorithm, {k: v for k, v in header.items() if v is not None})

    def _answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if path == "/.well-known/openid-configuration":
            names = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
            return 200, {"issuer": self.issuer, **{name: self.issuer + path for name, path in names.items()}} | (
                {"userinfo_endpoint": f"{self.issuer}/userinfo"} if self.userinfo else {}
            )
        if path == "/keys":
            return 200, {"keys": [public_key(1)]}
        if path == "/userinfo":
            return 200, self.userinfo
        asked = self._visits.pop(form["code"], None)
        if asked is None or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "an access token", "token_type": "Bearer", "id_token": self.token(asked)}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            provider: LyingProvider

            def do_GET(self) -> None:
                self.respond({})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                provider.forms.append(form)
                self.respond(form)

            def respond(self, form: dict[str, str]) -> None:
                provider.asked.append(self.path)
                given = provider.answers.get(self.path)
                try:
                    if callable(given):
                        given(self)
                        return
                    status, answer = (200, given) if given is not None else provider._answer(self.path, form)
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.end_headers()
                    self.wfile.write(json.dumps(answer).encode())
                except OSError:
                    pass  # the client has gone

            def log_message(self, *args: object) -> None:
                pass

        Handler.provider = provider
        return Handler


def begin(client: Client, path: str = "/accounts/single-sign-on/", **fields: str) -> str:
    """The provider's address, to which the button leads."""
    answer = client.post(path, fields)
    assert answer.status_code == 200, answer
    return address_of_provider(answer.content.decode())


def sign_in(client: Client, provider: LyingProvider, *, to: str = "", **claims: Any) -> Any:
    """What the person sees after a visit to the provider."""
    return client.get(provider.come_back(begin(client, **({"next": to} if to else {})), **claims))
