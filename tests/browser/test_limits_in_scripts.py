"""P26: a page of another site reads a key's rate limit through the documented gateways."""

import pytest
from playwright.sync_api import Browser

from apikeys.bounds.restrictions import Limit, Limits, Restrictions, Window
from apikeys.bounds.services import restrict_key
from tests.support.gateways.recipes import SITE, with_recipes

# The behaviour of a proxy does not depend on the kind of database.
pytestmark = pytest.mark.nodb

CALL = """async ([url, secret]) => {
    const answer = await fetch(url, {headers: {Authorization: `Bearer ${secret}`}});
    const names = ["RateLimit", "RateLimit-Policy", "Retry-After"];
    return [answer.status, ...names.map((name) => answer.headers.get(name))];
}"""


def test_p26_a_script_of_an_allowed_site_reads_its_rate_limit(
    browser: Browser, gateway_kind, server, api, api_key, tmp_path
):
    """P26: what is left, also when nothing is, and how long to wait. The recipe for CORS allows a script to read it."""
    restrict_key(key=api_key, restrictions=Restrictions(limits=Limits(rate=Limit(2, Window.HOUR))), by=None)
    site = f"http://127.0.0.1:{api.server_port}"
    ports = {"latchkey_port": server.check_port, "api_port": api.server_port}
    gateway = with_recipes(gateway_kind)(tmp_path, **ports, changes={SITE: site})
    gateway.start()
    try:
        page = browser.new_page()
        page.goto(site)
        asked = [f"http://127.0.0.1:{gateway.port}/a", api_key.secret]
        answers = [page.evaluate(CALL, asked) for _ in range(3)]
        page.close()
    finally:
        gateway.stop()
    assert [status for status, *_ in answers] == [200, 200, 429]
    assert [state.split(";")[:2] for _, state, *_ in answers] == [['"rate"', f"r={left}"] for left in (1, 0, 0)]
    assert {policy for _, _, policy, _ in answers} == {'"rate";q=2;w=3600'}
    assert [bool(wait) for *_, wait in answers] == [False, False, True]
