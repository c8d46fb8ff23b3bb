"""The product, the limit and other servers as contenders."""

from apikeys.secrets.secret_format import checksum
from bench.tools.load import VERIFY, Contender
from bench.tools.servers import Server

PEERS = {
    "api-key": "djangorestframework-api-key",
    "knox": "django-rest-knox",
    "token": "DRF's TokenAuthentication",
}
LIMIT = "the limit: a bare WSGI function with one prepared lookup"


def unknown_header() -> str:
    """A well-formed key with a correct checksum that belongs to nobody. It costs a lookup."""
    body = "lk_" + "0" * 30
    return f"Bearer {body}{checksum(body)}"


def ours(name: str, server: Server, headers: list[str]) -> Contender:
    return Contender(name, server.check_url + VERIFY, headers, unknown_header(), server.worker)


def limit(server: Server, headers: list[str]) -> Contender:
    return Contender("limit", f"{server.url}/", headers, unknown_header(), server.worker)


def django_peers(server: Server, headers: dict[str, list[str]], called: int) -> list[Contender]:
    """The bare view and the peers. A bad key is a good key with another end."""
    found = [Contender("bare", f"{server.url}/bare", ["Bearer any"], None, server.worker)]
    for path in PEERS:
        good = headers[path][:called]
        found.append(Contender(path, f"{server.url}/{path}", good, f"{good[0][:-4]}0000", server.worker))
    return found
