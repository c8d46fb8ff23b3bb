"""Response times do not tell anybody which addresses have an account."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest

from tests.faults.figures import measure
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
        self.time("page for the code of a reset", kind, someone, RESET_CODE, 200)
        self.time("wrong code of a reset", kind, someone, RESET_CODE, 200, code="WRONG1")
        someone = self.visitor(sessionid=self.session)
        self.time("new address", kind, someone, ADDRESS, 302, email=address, action_add="1")
        self.time("wrong code of a new address", kind, someone, CODE, 200, code="WRONG1")
        someone = self.visitor()
        self.time("sign-up", kind, someone, SIGN_UP, 302, email=address, password1=PASSWORD)
        self.time("page for the code of a sign-up", kind, someone, CODE, 200)
        self.time("wrong code of a sign-up", kind, someone, CODE, 200, code="WRONG1")
        self.forget()
        self.time("another code of a sign-up", kind, someone, CODE, 302, action="resend")

    def time(self, way: str, kind: str, someone: Visitor, path: str, status: int, **fields: str) -> None:
        began = time.perf_counter()
        answer = someone.post(path, **fields) if fields else someone.get(path)
        self.seconds[way, kind].append(time.perf_counter() - began)
        assert answer.status == status, (way, kind, answer.status, answer.body)


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
    return f"{kind.split()[0]}@example.com"


def test_response_times_do_not_show_whether_an_address_has_an_account(installation, server):
    """T51"""
    stranger = Stranger(server, installation.people.session, lambda: installation.change("DELETE FROM cache"))
    kinds = ["unknown", *ACCOUNTS]
    for number in range(PAIRS):
        kinds.append(kinds.pop(0))  # No kind always comes first.
        for kind in kinds:
            stranger.ask(kind, f"unknown{number}@example.com" if kind == "unknown" else address_of(kind))
    apart = {way: most_apart({kind: stranger.seconds[way, kind] for kind in kinds}) for way, _ in stranger.seconds}
    for way, percent in sorted(apart.items(), key=lambda item: item[1]):  # One that breaks the promise comes last.
        measure("T51", f"{way}: time with and without an account, apart", percent, at_most=MOST_PERCENT_APART, unit="%")


def most_apart(seconds: dict[str, list[float]]) -> float:
    """By how many percent an address with an account takes longer or shorter than an unknown one, at most.

    It is the median over pairs that follow each other within a round, because a busy machine slows both of a pair down.
    """
    unknown = seconds["unknown"]
    quotients = [[one / other for one, other in zip(seconds[kind], unknown, strict=True)] for kind in ACCOUNTS]
    return round(max(abs(statistics.median(pairs) - 1) for pairs in quotients) * 100, 1)
