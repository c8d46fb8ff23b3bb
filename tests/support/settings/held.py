"""The product's settings, with password hashes that go on only when the test says so, and with queues that wait as
long.
"""

from config.settings import *  # noqa: F403
from config.settings import MIDDLEWARE

PASSWORD_HASHERS = ["tests.support.settings.held_hashes.HeldHasher"]
# Loads the module when the server starts.
MIDDLEWARE = [*MIDDLEWARE, "tests.support.settings.held_hashes.held"]
