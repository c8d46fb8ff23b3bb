"""Servers are killed again and again while emails about ends of keys become due: each email is sent, and none is new
when it comes twice.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.figures import measure
from tests.faults.installation import Installation, run_python
from tests.faults.test_killed import until_nobody_is_connected
from tests.support.programs.mail_server import MailServer
from tests.support.programs.processes import PAGES, workers

pytestmark = [pytest.mark.nodb, pytest.mark.faults]

ROUNDS = 8
KEYS_A_ROUND = 15
KEYS = ROUNDS * KEYS_A_ROUND
WORKERS = 2
# Two threads of each worker send such emails.
MOST_IN_FLIGHT = 2 * WORKERS

MARKED = "SELECT count(*) FROM apikeys_keynotice n JOIN apikeys_apikey k ON k.id = n.key_id WHERE k.name = 'Ending'"
# Of the keys whose end lies ahead without an end so far, the next ones come into the last week.
END_SOON = """
    UPDATE apikeys_apikey SET expires_at = now() + interval '5 days', end_reason = 'chosen' WHERE id IN (
        SELECT id FROM apikeys_apikey WHERE name = 'Ending' AND expires_at IS NULL ORDER BY id LIMIT %(number)s)
"""


def until(find: Callable[[], Any], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not find() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert find()


def marked(installation: Installation) -> int:
    [[number]] = installation.ask(MARKED)
    return int(number)


def waiting(installation: Installation) -> int:
    [[number]] = installation.ask("SELECT count(*) FROM outbox_email WHERE state = 'waiting'")
    return int(number)


def kill_while_emails_become_due(installation: Installation, mails: MailServer) -> bool:
    """Kills the worker that does the housekeeping, and then all processes. Returns whether that came amid the work."""
    server = installation.start_server(
        workers=WORKERS, EMAIL_URL=f"{mails.url}?timeout=1", HOUSEKEEPING_SECONDS="0.1", MAIL_RETRY_SECONDS="1"
    )
    assert server.process
    until(lambda: installation.ask("SELECT 1 FROM housekeeping_claim WHERE ends_at > now()"))
    before = marked(installation)
    installation.change(END_SOON % {"number": KEYS_A_ROUND})
    until(lambda: marked(installation) > before)
    time.sleep(random.uniform(0, 0.1))
    [[holder]] = installation.ask("SELECT holder FROM housekeeping_claim")
    pid = int(holder.split("/")[1])
    assert pid in workers(server.process.pid, PAGES)
    os.kill(pid, signal.SIGKILL)
    time.sleep(random.uniform(0, 0.2))
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()
    until_nobody_is_connected(installation)
    return marked(installation) - before < KEYS_A_ROUND


def test_an_email_that_is_due_is_sent_through_kills(installation):
    """L4"""
    run_python(installation.postgres.url, "-m", "tests.faults.ending", str(KEYS))
    installation.change("DELETE FROM outbox_email")  # the emails about new keys
    with MailServer(pause=0.05).running() as mails:
        amid = sum(kill_while_emails_become_due(installation, mails) for _ in range(ROUNDS))
        sent_amid_kills = len(mails.mails)
        installation.start_server(
            EMAIL_URL=f"{mails.url}?timeout=1", HOUSEKEEPING_SECONDS="0.1", MAIL_RETRY_SECONDS="1"
        )
        until(lambda: marked(installation) == KEYS and not waiting(installation))
        installation.stop_servers()
    assert amid
    assert 0 < sent_amid_kills < KEYS, "kills came amid emails"
    emails = Counter((message["To"], message["Message-ID"]) for message in mails.mails)
    people = Counter(person for person, _ in emails)
    lost = {f"ending{number}@example.com" for number in range(KEYS)} - set(people)
    kills = 2 * ROUNDS
    measure("L4", f"{kills} kills: emails that were due and did not come, of {KEYS}", len(lost), at_most=0)
    measure("L4", f"{kills} kills: people with two different emails", len(emails) - len(people), at_most=0)
    measure("L4", f"{kills} kills: the most often that one email came", max(emails.values()), at_most=2)
    twice = len(mails.mails) - len(emails)
    measure("L4", f"{kills} kills: emails that came twice", twice, at_most=ROUNDS * MOST_IN_FLIGHT)
