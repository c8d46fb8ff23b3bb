"""The lengths of the lease, and the clock that measures them.

No instant is compared with another process's. Only the rates of clocks matter: RATE is how far two of them may differ.
"""

import time
from functools import partial

# How long after the moment before its lookup a row may be judged. A constant: if it were a setting, processes could
# differ.
LEASE_SECONDS = 0.2
RATE = 0.1
# How long after its commit a change that takes access away is answered.
HELD_SECONDS = LEASE_SECONDS * (1 + RATE) + 0.01

# When a report of a leaked key is answered, from the beginning of its request: later than a change, its commit and the
# wait for it usually take. A busy process answers earlier, because it has no thread to spare.
REPORT_SECONDS = 0.5
BUSY_REPORT_SECONDS = 0.15

# How long the database says that a process keeps rows, how long the process believes it, and when it says it again. The
# first is far longer, so that a step of the database's clock does not matter.
REGISTERED_SECONDS = 600
BELIEVED_SECONDS = 120
RENEWED_SECONDS = 30

# Linux has a clock that goes on while the machine sleeps.
now = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
