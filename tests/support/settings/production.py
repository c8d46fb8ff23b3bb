"""An environment in which production starts. `python -m tests.support.settings.production` prints it as NAME=value."""

from config.environment.local_secrets import new_ring, new_secret_key


def production_environment() -> dict[str, str]:
    return {
        "ENV": "production",
        "SECRET_KEY": new_secret_key(),
        "ALLOWED_HOSTS": "keys.example.com",
        "DATABASE_URL": "postgresql://latchkey@127.0.0.1:1/latchkey",
        "KEY_PEPPERS": new_ring(),
        "KEY_RING": new_ring(),
        "EMAIL_URL": "smtp://127.0.0.1:1",
        "DEFAULT_FROM_EMAIL": "keys@example.com",
        "TRUSTED_PROXIES": "1",
    }


if __name__ == "__main__":
    print(" ".join(f"{name}={value}" for name, value in production_environment().items()))
