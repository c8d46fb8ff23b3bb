"""Keys that may do little, sent with every method, header and query that might make them do more.

At `/verify` the gateway speaks: it names the method, the scope and the cost. There the client's part is the header with
the key, and what a client can add to a query that the gateway writes. Everywhere else all is the client's.
"""

from collections import Counter
from functools import partial
from itertools import product
from typing import NamedTuple

from hypothesis import strategies as st

from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import restrict_key
from apikeys.keys.services import create_key
from tests.fuzz.budget import SECONDS, attempt, counts, turns
from tests.fuzz.rows import snapshot
from tests.fuzz.stage import Stage
from tests.fuzz.wire import exchange
from tests.fuzz.words import HOSTILE, METHODS

UNTIL = 0.95
EXAMPLES = 150 if not SECONDS else 500
LIMIT = 2
LIMITED = {
    "rate": Restrictions(limits=Limits(rate=Limit(LIMIT, Window.HOUR))),
    "quota": Restrictions(limits=Limits(quota=Limit(LIMIT, Window.MONTH))),
}
RESTRICTED = {
    "read only": Restrictions(read_only=True),
    "scopes": Restrictions(scopes=("files:read",)),
    "networks": Restrictions(networks=("203.0.113.0/24", "2001:db8::/32")),
    **LIMITED,
}
SAFE = {"GET", "HEAD", "OPTIONS"}
VERIFY = "/api/v1/verify"
# A gateway asks for a scope that no key of these has, in both of its ways.
AT_VERIFY, BELOW_VERIFY = f"{VERIFY}?scope=files:write&cost=1", f"{VERIFY}/orders"
OF_THE_GATEWAY = {BELOW_VERIFY: ["X-Latchkey-Require-Scope: files:write", "X-Latchkey-Cost: 1"]}
FILE = "/api/v1/files/«file_id»"
PATHS = ["/api/v1/files", "/api/v1/files/", FILE, f"{FILE}/content", "/api/v1/me", AT_VERIFY, BELOW_VERIFY]
NAMES = [
    *("X-Forwarded-Method", "X-Original-Method", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"),
    *("X-Latchkey-Scopes", "X-Latchkey-Key", "X-Latchkey-User", "X_Latchkey_Require_Scope", "X_Latchkey_Cost"),
    *("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP", "X_Forwarded_For", "X_Real_IP"),
    *("Authorization", "X-Api-Key", "Cookie", "Origin", "HX-Request", "Accept", "X_Forwarded_Method"),
]
LIKELY = [
    *(
        "GET",
        "get",
        "HEAD",
        "POST",
        "DELETE",
        "*",
        "read",
        "full",
        "files:write",
        "files:read",
        "files:read files:write",
    ),
    *("0", "-1", "1000", "203.0.113.7", "::ffff:203.0.113.7", "2001:db8::1", "for=203.0.113.7", "203.0.113.7, ::1"),
]
FORGED = ["GET", "read", "files:write", "0", "203.0.113.7"]
QUERIES = [
    "scope=",
    "scope=files:read",
    "scope=files:write",
    "cost=0",
    "cost=-1",
    "cost=1000",
    "_method=GET",
    "%73cope=x",
]


class Call(NamedTuple):
    path: str
    method: str
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[str, ...] = ()

    def request(self, stage: Stage, secret: str) -> bytes:
        query = "&".join(self.query)
        joint = "&" if "?" in self.path else "?"
        target = self.path.replace("«file_id»", stage.file.public_id) + (f"{joint}{query}" if query else "")
        lines = [f"{self.method} {target} HTTP/1.1", "Host: localhost", "Connection: close"]
        lines += [f"Authorization: Bearer {secret}", *OF_THE_GATEWAY.get(self.path, ())]
        # No proxy passes names with "_" on to the check (docs/running.md): the server takes them for names with "-".
        own = [pair for pair in self.headers if not (self.path.startswith(VERIFY) and "_" in pair[0])]
        lines += [f"{name}: {value}".replace("\r", "").replace("\n", "") for name, value in own]
        body = b""
        if self.method not in {"GET", "HEAD", "OPTIONS"}:
            body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n1\r\n--x--\r\n'
            lines += ["Content-Type: multipart/form-data; boundary=x", f"Content-Length: {len(body)}"]
        return "\r\n".join(lines).encode("utf-8", "surrogatepass") + b"\r\n\r\n" + body


CALLS = st.builds(
    Call,
    path=st.sampled_from(PATHS),
    method=st.sampled_from(METHODS),
    headers=st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(LIKELY) | st.sampled_from(HOSTILE)), max_size=3
    ).map(tuple),
    query=st.lists(st.sampled_from(QUERIES), max_size=2).map(tuple),
)


def test_nothing_that_a_caller_sends_makes_a_restricted_key_do_more(server):
    """B5: no entry and no change beyond the restriction, by any method, header or query."""
    stage, secrets, let_in = Stage(), {}, Counter[str]()
    for kind, restrictions in RESTRICTED.items():
        key, secrets[kind] = create_key(project=stage.project, name=kind, by=stage.people["owner"])
        restrict_key(key=key, restrictions=restrictions, by=None)

    def send(kind: str, call: Call) -> None:
        answer = exchange(server.port, call.request(stage, secrets[kind]), call.method)
        assert 0 < answer.status < 500, answer.status
        counts[f"({kind})"] += 1
        if 200 <= answer.status < 300 and not _is_open_to_all(call):
            let_in[kind] += 1
            assert _may(kind, call, let_in[kind]), f"{kind}: {answer.status} for {call}"

    before = snapshot()
    for turn, kind in turns({kind: kind for kind in RESTRICTED}, UNTIL):
        for path, method in product(PATHS, sorted(set(METHODS))):
            send(kind, Call(path, method))
        for path, name, value in product(["/api/v1/files", BELOW_VERIFY], NAMES, FORGED):
            send(kind, Call(path, "POST", ((name, value),)))
        attempt(partial(send, kind), CALLS, examples=EXAMPLES, name=turn)
        if kind not in LIMITED:
            assert {table for table, rows in snapshot().items() if rows != before[table]} == set()
        before = snapshot()
    assert {kind for kind in RESTRICTED if not let_in[kind]} == {"networks"}, "the others can do something"


def _is_open_to_all(call: Call) -> bool:
    """The answer to OPTIONS tells which methods there are, without a key."""
    return call.method == "OPTIONS" and not call.path.startswith(VERIFY)


def _may(kind: str, call: Call, so_far: int) -> bool:
    """Whether a key of this kind may be let in with this call."""
    if kind == "read only":
        return call.method in SAFE or (call.path == AT_VERIFY and _gateway_names_a_safe_method(call))
    if kind == "scopes":
        return call.method in {"GET", "HEAD"} and not call.path.startswith(VERIFY)
    return kind in LIMITED and so_far <= LIMIT


def _gateway_names_a_safe_method(call: Call) -> bool:
    """At `/verify` these headers are the gateway's, which removes a client's."""
    return any(name in {"X-Forwarded-Method", "X-Original-Method"} and value in SAFE for name, value in call.headers)
