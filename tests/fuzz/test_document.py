"""Requests that schemathesis makes from the OpenAPI document, correct ones and wrong ones, also in meaningful
sequences.
"""

import re
import subprocess
import sys

from tests.fuzz.budget import SECONDS, SEED, counts, seconds_left
from tests.fuzz.stage import Stage
from tests.support.calls.github import Signer
from tests.support.environment import DATA_DIR

UNTIL = 1.0
# /verify takes any method and is described once, as GET; the others' methods are in access.py.
LEFT_OUT = "unsupported_method"


def test_the_document_holds(start_server):
    """T24, T25: every answer has a status and a shape that the document names, and none is a 5xx."""
    server = start_server(GITHUB_PUBLIC_KEYS=Signer().document())
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/api/v1/openapi.json", "--no-color"]
    command += ["--header", f"Authorization: Bearer {Stage().secrets[0]}", "--seed", str(SEED)]
    command += ["--checks", "all", "--exclude-checks", LEFT_OUT, "--max-time", str(max(5, int(seconds_left(UNTIL))))]
    result = subprocess.run(command, cwd=DATA_DIR, capture_output=True, text=True, timeout=SECONDS + 120)
    assert result.returncode == 0, result.stdout + result.stderr
    generated = re.search(r"([\d,]+) generated", result.stdout)
    assert generated, result.stdout
    counts["(from the OpenAPI document)"] += int(generated[1].replace(",", ""))
