"""Asks Latchkey about each request, as a dependency of FastAPI. docs/apis.md says what each part is for."""

from secrets import token_hex

import httpx
from fastapi import FastAPI, Request, Response

RELAYED = "RateLimit", "RateLimit-Policy", "Content-Type", "WWW-Authenticate", "Retry-After", "Cache-Control"
UNAVAILABLE = """{"meta":{"request_id":"%s","project_id":null,"type":"error"},"data":null,"links":{},"error":
{"code":"unavailable","message":"Temporarily unavailable. Try again shortly."}}"""


class Refused(Exception):
    """The client gets a Response with these arguments."""


def install(app: FastAPI, url: str, seconds: float = 10) -> None:
    pool = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=30)
    timeout = httpx.Timeout(seconds, connect=2)
    # Without trust_env=False, keys would go through the proxy that HTTP_PROXY names.
    app.state.latchkey = httpx.AsyncClient(base_url=url, limits=pool, timeout=timeout, trust_env=False)

    @app.middleware("http")
    async def answer(request, call_next):
        request.state.limits = {}
        try:
            response = await call_next(request)
        except Refused as refused:
            return Response(*refused.args)
        for name, value in request.state.limits.items():
            response.headers.setdefault(name, value)
        return response


def needs(**query):
    async def check(request: Request) -> dict[str, str]:
        # The client chooses none of these headers: the request to Latchkey is a new one.
        told = httpx.Headers({"X-Forwarded-Method": request.method, "X-Forwarded-Proto": request.url.scheme}, "latin-1")
        told["X-Forwarded-For"] = request.client.host if request.client else ""
        if sent := request.headers.getlist("Authorization"):
            # Latchkey's server reads no control character but a tab. Of a tab, Latchkey says what is wrong.
            told["Authorization"] = key if (key := ",".join(sent)).isprintable() else "Bearer\t?"
        try:
            answer = await request.app.state.latchkey.head("/api/v1/verify", params=query, headers=told)
        except httpx.HTTPError:
            answer = httpx.Response(503)
        said = {name: answer.headers[name] for name in [*RELAYED, "X-Request-Id"] if name in answer.headers}
        if answer.status_code == 204 and answer.headers.get("X-Latchkey-Key", "").startswith("key_"):
            request.state.limits = {name: said[name] for name in said if name.startswith("RateLimit")}
            return {name: answer.headers[f"X-Latchkey-{name}"] for name in ("Key", "Project", "User", "Scopes")}
        if answer.status_code in {401, 403, 422, 429, 503} and "X-Latchkey-Refusal" in answer.headers:
            raise Refused(answer.headers["X-Latchkey-Refusal"], answer.status_code, said)
        # Latchkey did not answer, or something else did.
        said = {"Content-Type": "application/json", "Retry-After": "5", "X-Request-Id": f"req_{token_hex(8)}"}
        raise Refused(UNAVAILABLE % said["X-Request-Id"], 503, {**said, "Cache-Control": "no-store"})

    return check
