"""Are weaknesses known of the versions in uv.lock? `python -m tests.support.advisories PATH_OF_UV` asks OSV (osv.dev).

Says what it found, and fails for a known one alone: a service that cannot be reached, that is slow, or that answers
something else is said to be so, and passes. A check that turns red by the network's weather is soon not read.
"""

import json
import os
import subprocess
import sys
from typing import Any

SECONDS = 60

# An advisory that does not concern us, with the reason. Empty is best.
IGNORED: dict[str, str] = {}


def main(uv: str, service: str = "") -> int:
    """The exit code: 1 if there is a known weakness. `service` is another address that answers as OSV does."""
    command = [uv, "audit", "--frozen", "--preview-features", "audit-command,json-output", "--output-format", "json"]
    command += [f"--ignore={advisory}" for advisory in IGNORED] + ([f"--service-url={service}"] if service else [])
    # Two tries of ten seconds each, then it is not to be reached.
    environment = {**os.environ, "UV_HTTP_TIMEOUT": "10", "UV_HTTP_RETRIES": "1"}
    try:
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return _not_checked(f"{type(error).__name__}: {error}")
    try:
        report = json.loads(result.stdout)
        return _say(report["summary"]["audited_packages"], report["vulnerabilities"])
    except (ValueError, KeyError, TypeError):
        return _not_checked(" ".join(line.strip() for line in result.stderr.splitlines()) or "no report")


def _not_checked(why: str) -> int:
    print(f"Dependencies: NOT CHECKED against known vulnerabilities. {why}")
    return 0


def _say(packages: int, found: list[dict[str, Any]]) -> int:
    print(f"Dependencies: {packages} packages of uv.lock, {len(found)} known vulnerabilities (osv.dev).")
    for one in found:
        fixed = ", ".join(one["fix_versions"]) or "no version yet"
        print(f"  {one['dependency']['name']} {one['dependency']['version']}: {one['summary']} ({one['id']})")
        print(f"    fixed in: {fixed}; {one['link']}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
