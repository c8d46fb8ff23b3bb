"""Each server tells of its own processes, however Latchkey is laid out.

One `serve`; `serve --only pages` and `serve --only check` as two services of one machine, as docs/systemd.md has them;
and the check alone on another machine.
"""

import json
import subprocess
import sys
import threading

import pytest

from common.outbox.models import Email
from tests.config.monitoring.test_metrics import PATH, TOKEN, bearer, increase, scrape, wait_for
from tests.support.environment import REPOSITORY
from tests.support.programs.mail_server import MailServer
from tests.support.programs.servers import Answer, Server

pytestmark = pytest.mark.nodb


def metrics_of(*servers: Server) -> list[dict[str, float]]:
    """What each server says, once the housekeeping has told its numbers to one of them."""
    for _ in range(200):
        found = [scrape(server) for server in servers]
        if any("latchkey_keys active" in each for each in found):
            return found
        threading.Event().wait(0.1)
    raise AssertionError("nobody counted the keys")


def test_two_services_of_one_machine_tell_of_their_own_processes(serve, api_key):
    pages, check = serve(only="pages"), serve(only="check")
    assert check.check(api_key.secret).status == 204
    of_pages, of_check = metrics_of(pages, check)
    assert of_pages["latchkey_workers pages"] == of_check["latchkey_workers check"] == 1
    assert "latchkey_workers check" not in of_pages
    assert "latchkey_workers pages" not in of_check
    assert of_pages["latchkey_keys active"] == 1
    assert of_check["latchkey_checks_total allowed"] == 1
    assert of_pages["latchkey_checks_total allowed"] == 0


def test_the_check_alone_on_another_machine_tells_of_no_pages(serve, api_key, tmp_path):
    main, elsewhere = serve(), serve(only="check", DATA_DIR=str(tmp_path))
    of_main, of_elsewhere = metrics_of(main, elsewhere)
    assert (of_main["latchkey_workers pages"], of_main["latchkey_workers check"]) == (1, 1)
    assert of_elsewhere["latchkey_workers check"] == 1
    assert not {name for name in of_elsewhere if "pages" in name or "latchkey_keys" in name}


def test_pages_alone_have_metrics_for_the_token_and_nobody_else(serve, start_server, api_key):
    pages = serve(only="pages", TRUSTED_PROXIES="1")
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": f"token={TOKEN}"}):
        assert pages.request("GET", PATH, headers=headers).status == 401
    assert pages.request("POST", PATH, "x=1", headers=bearer()).status == 405
    assert pages.request("GET", "/metrics/", headers=bearer()).status in {302, 404}
    through_the_proxy = {"X-Forwarded-For": "192.0.2.1, 198.51.100.7"}
    assert pages.request("GET", PATH, headers=through_the_proxy).status == 401
    lines = [line for line in pages.log_text().splitlines() if "metrics_refused" in line]
    assert "address='127.0.0.1'" in lines[0]
    assert "address='198.51.100.7'" in lines[-1]
    without_token = start_server(only="pages")
    assert without_token.request("GET", PATH, headers=bearer()).status in {302, 404}


def test_who_asks_the_port_of_the_check_cannot_say_another_address(serve):
    """Scrapers ask it without a proxy, also where TRUSTED_PROXIES counts the proxies of the pages."""
    server = serve(only="check", TRUSTED_PROXIES="1")
    for headers in ({}, {"X-Forwarded-For": "198.51.100.7"}):
        assert server.request("GET", PATH, headers=headers, port=server.check_port).status == 401
    lines = [line for line in server.log_text().splitlines() if "metrics_refused" in line]
    assert len(lines) == 2
    assert all("address='127.0.0.1'" in line for line in lines)


# Emails that are lost


@pytest.mark.parametrize("only", ["", "pages"])
def test_an_email_that_the_pages_lose_is_counted(serve, api_key, only):
    Email.objects.all().delete()
    with MailServer(replies=("550 nobody of that name",) * 9).running() as mails:
        server = serve(only=only, EMAIL_URL=mails.url)
        before = scrape(server)
        assert report(server, api_key).status == 202
        assert wait_for(server, before, LOST, 1)[LOST] == 1


LOST = "latchkey_emails_lost_total given_up"


def report(server: Server, key: object) -> Answer:
    body = json.dumps({"secret": key.secret})  # type: ignore[attr-defined]
    return server.request("POST", "/api/v1/report", body, {"Content-Type": "application/json"})


@pytest.mark.parametrize("only", ["", "pages", "check"])
def test_an_email_that_a_command_loses_is_counted_by_a_server_of_its_machine(serve, api_key, project, only):
    """Nobody can scrape a command."""
    Email.objects.all().delete()
    with MailServer(replies=("550 nobody of that name",) * 9).running() as mails:
        # The server itself sends nothing: the command loses the email.
        server = serve(only=only, EMAIL_URL=mails.url, MAIL_RETRY_SECONDS="0")
        before = scrape(server)
        for name in ("First", "Second"):
            run_command(server, "createkey", project.public_id, f"--name={name}")
        after = scrape(server)
    assert increase(before, after)[LOST] == len(mails.asked) == 2
    assert not [name for name in after if "command" in name]


def run_command(server: Server, *arguments: str) -> None:
    """It writes an email, tries to send it, and ends."""
    command = [sys.executable, "-m", "tests.support.programs.patient", "manage", *arguments]
    environment = {**server.environment, "MAIL_RETRY_SECONDS": "1"}
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, capture_output=True)
