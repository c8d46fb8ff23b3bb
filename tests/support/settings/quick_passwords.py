"""The product's settings with passwords that are hashed at once, for servers that many people sign in at."""

from config.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
