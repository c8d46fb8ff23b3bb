"""Asks Latchkey about each request, as a dependency of FastAPI. docs/apis.md says what each part is for."""

from secrets import token_hex

import anyio
import httpx
from fastapi import FastAPI, Request, Response

RELAYED = "RateLimit", "RateLimit-Policy", "Content-Type", "WWW-Authenticate", "Retry-After", "Cache-Control"
UNAVAILABLE = """{"meta":{"request_id":"%s","project_id":null,"type":"error"},"data":null,"links":{},"error":
{"code":"unavailable","message":"Temporarily unavailable. Try again shortly."}}"""


class Refused(Exception):
    """The client gets a Response with these arguments."""


def install(app: FastAPI, url: str, seconds: float = 10, proxies: int = 0) -> None:
    # So many proxies of yours stand in front of this API. Without one, X-Forwarded-For is the client's own claim.
    pool = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=30)
    # Two seconds to connect. httpx has no limit for all of a request, so the check sets one.
    # Without trust_env=False, keys would go through the proxy that HTTP_PROXY names.
    client = httpx.AsyncClient(base_url=url, limits=pool, timeout=(2, None, None, None), trust_env=False)
    app.state.latchkey = client, seconds, proxies

    @app.middleware("http")
    async def answer(request, call_next):
        try:
            response = await call_next(request)
        except Refused as refused:
            return Response(*refused.args)
        for name, value in getattr(request.state, "limits", {}).items():
            response.headers.setdefault(name, value)
        return response


def needs(**query):
    async def check(request: Request) -> dict[str, str]:
        client, seconds, proxies = request.app.state.latchkey
        # Each proxy appends an entry. Those further left are the client's own claim.
        hops = ",".join(request.headers.getlist("X-Forwarded-For")).split(",")
        # The client chooses none of these headers: the request to Latchkey is a new one.
        told = httpx.Headers({"X-Forwarded-Method": request.method}, "latin-1")
        # A connection through a Unix socket has no address.
        told["X-Forwarded-For"] = hops[-proxies].strip() if 0 < proxies <= len(hops) else (request.client or [""])[0]
        told["X-Forwarded-Proto"] = request.headers.get("X-Forwarded-Proto", "") if proxies else request.url.scheme
        if sent := request.headers.getlist("Authorization"):
            # Latchkey's server reads no control character but a tab. Of a tab, Latchkey says what is wrong.
            told["Authorization"] = key if (key := ",".join(sent)).isprintable() else "Bearer\t?"
        try:
            with anyio.fail_after(seconds):
                answer = await client.head("/api/v1/verify", params=query, headers=told)
        except (httpx.HTTPError, TimeoutError):
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
