"""What the parts of the bench measure on."""

from contextlib import ExitStack
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from bench.plan import Plan
from bench.results import Row
from bench.tools import databases, servers
from bench.tools.load import VERIFY
from bench.tools.registering import registered
from bench.tools.servers import Server

if TYPE_CHECKING:
    from accounts.models import User  # it needs Django set up


class NotMeasured(Exception):
    """Something that a part needs is missing; the text says what."""


class Measured(NamedTuple):
    rows: list[Row]
    figures: dict[str, float]


class Stage:
    """A filled database at `url`, and servers that start when a part first asks for one. `headers` are those of its
    keys; all other data of a part are `owner`'s.

    `untouched` is the same database without servers: PostgreSQL copies no database that is in use.
    """

    def __init__(self, *, url: str, untouched: str, headers: list[str], owner: "User", plan: Plan) -> None:
        self.url, self._untouched, self.headers, self.owner, self.plan = url, untouched, headers, owner, plan
        self._stack = ExitStack()

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    @property
    def called(self) -> list[str]:
        return self.headers[: self.plan.keys_called]

    def copy(self, name: str) -> str:
        return databases.create(name, template=self._untouched)

    @cached_property
    def product(self) -> Server:
        return self._stack.enter_context(servers.product(self.url))

    @cached_property
    def leased(self) -> Server:
        """With the lease on."""
        server = self._stack.enter_context(servers.product(self.url, lease=True))
        registered(self.url, server.check_url + VERIFY, self.headers[0])
        return server

    @cached_property
    def limit(self) -> Server:
        return self._stack.enter_context(servers.peer(servers.LIMIT, self.url))
