"""`python -m bench [--quick] [--only V6,V14] [--json PATH]` measures all rows or some. It prints the table, and
writes it as JSON.

The exit code is 1 if a row falls short of its goal, else 2 if something could not be measured, else 0.
"""

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

from bench.plan import QUICK, TINY, Plan


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Measures Latchkey beside its peers.")
    parser.add_argument("--quick", action="store_true", help="few and short samples, for a rough result")
    parser.add_argument("--tiny", action="store_true", help="for the tests of the bench: no figure means anything")
    parser.add_argument("--only", default="", help="the rows to measure, such as V6,V14")
    parser.add_argument("--json", type=Path, default=Path("var/bench.json"), help="the file for the results")
    return parser.parse_args()


def main() -> int:
    options = _options()
    plan = TINY if options.tiny else QUICK if options.quick else Plan()
    if shutil.which("wrk") is None:
        print("bench needs wrk: install it (Debian: apt-get install wrk), then try again.", file=sys.stderr)
        return 2
    os.environ["TEST_DATABASE"] = "postgresql"
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    from bench.run import run  # reads the environment

    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(plan.minutes * 60)
    try:
        return run(plan, options.json, [name for name in options.only.split(",") if name])
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
