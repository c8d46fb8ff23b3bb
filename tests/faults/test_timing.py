"""Response times do not tell anybody which addresses have an account.

tests/accounts/sign_in/test_equal_work.py compares the work itself, without a clock.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest

from tests.faults.figures import note
from tests.faults.installation import Installation
from tests.support.people.visitor import Visitor
from tests.support.programs.mail_server import MailServer
from tests.support.programs.servers import Server

pytestmark = [pytest.mark.nodb, pytest.mark.faults]

PAIRS = 60
MOST_PERCENT_APART = 10
LOGIN, SIGN_UP, CODE, ADDRESS = "/accounts/login/", "/accounts/signup/", "/accounts/confirm-email/", "/accounts/email/"
RESET, RESET_CODE = "/accounts/password/reset/", "/accounts/password/reset/confirm/"
PASSWORD = "correct horse battery"

# The kinds of address without an account. The second is the control: how far apart two are that have no difference.
UNKNOWN, CONTROL = "unknown", "another unknown"
# The kinds of account, by the statement that makes each.
ACCOUNTS = {
    "confirmed": "UPDATE account_emailaddress SET verified = true WHERE email = 'confirmed@example.com'",
    "unconfirmed": "",
    "inactive": "UPDATE accounts_user SET is_active = false WHERE email = 'inactive@example.com'",
    "without a password": "UPDATE accounts_user SET password = '!' WHERE email = 'without@example.com'",
}


class Stranger:
    """Asks about one address in every way that takes one, and measures the answers. `forget` resets all limits."""

    def __init__(self, server: Server, session: str, forget: Callable[[], None]) -> None:
        self.server, self.session, self.forget = server, session, forget
        self.seconds: dict[tuple[str, str], list[float]] = defaultdict(list)

    def visitor(self, **cookies: str) -> Visitor:
        self.forget()
        return Visitor(self.server, **cookies)

    def ask(self, kind: str, address: str) -> None:
        someone = self.visitor()
        self.time("sign-in", kind, someone, LOGIN, 200, login=address, password="wrong horse battery")
        someone = self.visitor()
        self.time("password reset", kind, someone, RESET, 302, email=address)
        self.time("page for the code of a reset", kind, someone, RESET_CODE, 200, asked=3)
        self.time("wrong code of a reset", kind, someone, RESET_CODE, 200, asked=2, code="WRONG1")
        someone = self.visitor(sessionid=self.session)
        self.time("new address", kind, someone, ADDRESS, 302, email=address, action_add="1")
        self.time("wrong code of a new address", kind, someone, CODE, 200, asked=2, code="WRONG1")
        someone = self.visitor()
        self.time("sign-up", kind, someone, SIGN_UP, 302, email=address, password1=PASSWORD)
        self.time("page for the code of a sign-up", kind, someone, CODE, 200, asked=3)
        self.time("wrong code of a sign-up", kind, someone, CODE, 200, asked=2, code="WRONG1")
        self.forget()
        self.time("another code of a sign-up", kind, someone, CODE, 302, action="resend")

    def time(
        self, way: str, kind: str, someone: Visitor, path: str, status: int, *, asked: int = 1, **fields: str
    ) -> None:
        """The quickest answer counts, where a person can ask several times: without a hash, an answer is so short that
        whatever else the machine does would be seen instead.
        """
        seconds = []
        for _ in range(asked):
            began = time.perf_counter()
            answer = someone.post(path, **fields) if fields else someone.get(path)
            seconds.append(time.perf_counter() - began)
            assert answer.status == status, (way, kind, answer.status, answer.body)
        self.seconds[way, kind].append(min(seconds))


@pytest.fixture
def server(installation: Installation) -> Iterator[Server]:
    with MailServer().running() as mails:
        server = installation.start_server(EMAIL_URL=mails.url, EMAIL_VERIFICATION="mandatory")
        for kind, statement in ACCOUNTS.items():
            Visitor(server).post(SIGN_UP, email=address_of(kind), password1=PASSWORD)
            installation.change(statement or "SELECT 1")
        yield server
        installation.stop_servers()


def address_of(kind: str) -> str:
    """The address of an account of that kind."""
    return f"{kind.split()[0]}@example.com"


def test_response_times_do_not_show_whether_an_address_has_an_account(installation, server):
    """T51"""
    stranger = Stranger(server, installation.people.session, lambda: installation.change("DELETE FROM cache"))
    kinds = [UNKNOWN, CONTROL, *ACCOUNTS]
    for number in range(PAIRS):
        kinds.append(kinds.pop(0))  # No kind always comes first.
        new = {UNKNOWN: f"unknown{number}@example.com", CONTROL: f"control{number}@example.com"}
        for kind in kinds:
            stranger.ask(kind, new.get(kind) or address_of(kind))
    ways = {way: {kind: stranger.seconds[way, kind] for kind in kinds} for way, _ in stranger.seconds}
    figures = [
        note("T51", f"{way}: {what}, apart", most_apart(seconds, others), at_most=MOST_PERCENT_APART, unit="%")
        for way, seconds in ways.items()
        for what, others in {"with and without an account": [*ACCOUNTS], "two unknown addresses": [CONTROL]}.items()
    ]
    assert all(figure.holds for figure in figures), "\n".join(figure.line() for figure in figures)


def most_apart(seconds: dict[str, list[float]], kinds: list[str]) -> float:
    """By how many percent an address of these kinds takes longer or shorter than an unknown one, at most.

    It is the median over pairs that follow each other within a round, because a busy machine slows both of a pair down.
    """
    unknown = seconds[UNKNOWN]
    quotients = [[one / other for one, other in zip(seconds[kind], unknown, strict=True)] for kind in kinds]
    return round(max(abs(statistics.median(pairs) - 1) for pairs in quotients) * 100, 1)
