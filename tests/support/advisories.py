"""Checks the versions in uv.lock for known weaknesses. `python -m tests.support.advisories PATH_OF_UV` asks OSV
(osv.dev).

It prints the result, and fails only for a known weakness. It passes with a message if the service is unreachable, is
slow or answers something else, because people ignore a check that fails whenever the network does.
"""

import json
import os
import subprocess
import sys
from typing import Any

SECONDS = 60

# Advisories that do not concern us, each with the reason. Empty is best.
IGNORED: dict[str, str] = {}


def main(uv: str, service: str = "") -> int:
    """The exit code: 1 if there is a known weakness. `service` is another address that speaks OSV's protocol."""
    command = [uv, "audit", "--frozen", "--preview-features", "audit-command,json-output", "--output-format", "json"]
    command += [f"--ignore={advisory}" for advisory in IGNORED] + ([f"--service-url={service}"] if service else [])
    # After two tries of ten seconds each, the service counts as unreachable.
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
