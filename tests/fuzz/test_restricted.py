"""Keys that may do little, sent with every method, header and query that might make them do more.

At `/verify` the gateway speaks: it names the method, the scope and the cost. There the client's part is the header with
the key, and what a client can add to a query that the gateway writes. Everywhere else all is the client's.
"""

from typing import Any, NamedTuple

from hypothesis import strategies as st

from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import restrict_key
from apikeys.keys.services import create_key
from tests.fuzz.budget import SECONDS, attempt, turns
from tests.fuzz.rows import snapshot
from tests.fuzz.stage import Stage
from tests.fuzz.wire import exchange
from tests.fuzz.words import HOSTILE, METHODS

UNTIL = 0.95
EXAMPLES = 60 if not SECONDS else 200
QUOTA = 2
RESTRICTED = {
    "read only": Restrictions(read_only=True),
    "scopes": Restrictions(scopes=("files:read",)),
    "networks": Restrictions(networks=("203.0.113.0/24", "2001:db8::/32")),
    "rate": Restrictions(limits=Limits(rate=Limit(QUOTA, Window.HOUR))),
    "quota": Restrictions(limits=Limits(quota=Limit(QUOTA, Window.MONTH))),
}
VERIFY = "/api/v1/verify"
PATHS = ["/api/v1/files", "/api/v1/files/«file_id»", "/api/v1/files/«file_id»/content", "/api/v1/me", f"{VERIFY}/x"]
# A gateway asks for a scope that no key of these has been given, in both of its ways.
ASKED = f"{VERIFY}?scope=files:write"
NAMES = [
    *("X-Forwarded-Method", "X-Original-Method", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"),
    *("X-Latchkey-Scopes", "X-Latchkey-Key", "X-Latchkey-User", "X_Latchkey_Require_Scope", "X_Latchkey_Cost"),
    *("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X_Forwarded_For"),
    *("Authorization", "X-Api-Key", "Cookie", "Origin", "HX-Request", "Connection", "Accept"),
]
TEXTS = [
    *("GET", "get", "HEAD", "POST", "DELETE", "*", "read", "full", "files:write", "files:read", "files:read files:write"),
    *("0", "-1", "1000", "203.0.113.7", "::ffff:203.0.113.7", "2001:db8::1", "for=203.0.113.7", "203.0.113.7, 127.0.0.1"),
    *HOSTILE,
]
QUERIES = ["scope=", "scope=files:read", "scope=files:write", "cost=0", "cost=-1", "cost=1000", "_method=GET", "method=GET"]


class Call(NamedTuple):
    path: str
    method: str
    headers: tuple[tuple[str, str], ...]
    query: tuple[str, ...]

    def request(self, stage: Stage, secret: str) -> bytes:
        query = "&".join(self.query)
        joint = "&" if "?" in self.path else "?"
        target = stage.words_in(self.path) + (f"{joint}{query}" if query else "")
        lines = [f"{self.method} {target} HTTP/1.1", "Host: localhost", "Connection: close"]
        lines += [f"Authorization: Bearer {secret}"]
        lines += [f"{name}: {value}".replace("\r", "").replace("\n", "") for name, value in self.headers]
        body = b""
        if self.method not in {"GET", "HEAD", "OPTIONS"}:
            body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n1\r\n--x--\r\n'
            lines += ["Content-Type: multipart/form-data; boundary=x", f"Content-Length: {len(body)}"]
        return "\r\n".join(lines).encode("utf-8", "surrogatepass") + b"\r\n\r\n" + body


def calls(paths: list[str]) -> st.SearchStrategy[Call]:
    headers = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(TEXTS)), max_size=3).map(tuple)
    queries = st.lists(st.sampled_from(QUERIES), max_size=2).map(tuple)
    return st.builds(Call, st.sampled_from(paths), st.sampled_from(METHODS), headers, queries)
