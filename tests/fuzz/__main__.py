"""`python -m tests.fuzz` fuzzes for FUZZ_SECONDS (600), half of them on each database, then prints what was sent where.

FUZZ_SEED repeats a run, as far as the time allows: a faster machine sends more with the same seed.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

DATABASES = ("postgresql", "sqlite")
# Hypothesis takes up to five minutes to reduce a failure before it is shown.
SECONDS_TO_SHRINK = 330


def main() -> int:
    seconds = float(os.environ.get("FUZZ_SECONDS") or 600) / len(DATABASES)
    seed = os.environ.get("FUZZ_SEED") or str(secrets.randbelow(1_000_000))
    print(f"Fuzzing for {seconds:.0f} s on each of {', '.join(DATABASES)}. To repeat it: make fuzz FUZZ_SEED={seed}")
    sent: dict[str, Counter[str]] = {}
    codes = []
    for database in DATABASES:
        print(f"\n{database}", flush=True)
        with tempfile.NamedTemporaryFile(suffix=".json") as counts:
            environment = {
                **os.environ,
                "TEST_DATABASE": database,
                "FUZZ_SECONDS": str(seconds),
                "FUZZ_SEED": seed,
                "FUZZ_COUNTS": counts.name,
            }
            command = [sys.executable, "-m", "pytest", "tests/fuzz", "--quiet", "--tb=short"]
            codes.append(subprocess.run(command, env=environment, timeout=seconds + SECONDS_TO_SHRINK).returncode)
            sent[database] = Counter(json.loads(Path(counts.name).read_text() or "{}"))
    _report(sent)
    print(f"{'PASS' if not any(codes) else 'FAILED'}: make fuzz FUZZ_SEED={seed}")
    return max(codes)


def _report(sent: dict[str, Counter[str]]) -> None:
    print("\nRequests".ljust(68), *(f"{database:>11}" for database in sent))
    for route in sorted(set().union(*sent.values())):
        print((route or "(home)").ljust(67), *(f"{counts[route]:11,}" for counts in sent.values()))
    print("together".ljust(67), *(f"{counts.total():11,}" for counts in sent.values()))


if __name__ == "__main__":
    sys.exit(main())
