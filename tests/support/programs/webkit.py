"""WebKitGTK, the engine closest to Safari's: Debian's MiniBrowser on its own display."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from warnings import catch_warnings

from selenium.webdriver import WebKitGTK, WebKitGTKOptions
from selenium.webdriver.webkitgtk.service import Service

from tests.support.environment import lacking


@contextmanager
def webkit() -> Iterator[WebKitGTK]:
    """The browser, driven by selenium. Playwright works only with a WebKit that its own project has built."""
    driver = shutil.which("WebKitWebDriver") or lacking("WebKitGTK (webkit2gtk-driver)")
    with _display() as display:
        options = WebKitGTKOptions()
        options.binary_location = str(_browser())
        options.add_argument("--automation")
        service = Service(executable_path=driver, env={**os.environ, "DISPLAY": display})
        with catch_warnings(action="ignore", category=DeprecationWarning):  # selenium itself calls its deprecated class
            browser = WebKitGTK(options=options, service=service)
        try:
            yield browser
        finally:
            browser.quit()


def _browser() -> Path:
    found = [
        *Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"),
        *Path("/usr/libexec").glob("webkit2gtk-4.*/MiniBrowser"),
    ]
    return max(found, default=None) or lacking("WebKitGTK's MiniBrowser")


@contextmanager
def _display() -> Iterator[str]:
    program = shutil.which("Xvfb") or lacking("Xvfb (xvfb)")
    told, tells = os.pipe()
    command = [program, "-displayfd", str(tells), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    xvfb = subprocess.Popen(command, pass_fds=[tells], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(tells)
    try:
        with os.fdopen(told) as answer:
            number = answer.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        xvfb.terminate()
        xvfb.wait()
