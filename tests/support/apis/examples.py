"""The APIs of docs/examples that ask Latchkey themselves, run as docs/apis.md says."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.support.environment import DATA_DIR, REPOSITORY, lacking
from tests.support.gateways.proxies import Gateway
from tests.support.programs.npm_packages import install

EXAMPLES = REPOSITORY / "docs" / "examples"
SECONDS_TO_BUILD = 300


class ExampleApi(Gateway):
    """An API that asks the Latchkey at `latchkey_port`. It is started and called as a gateway is.

    It waits for Latchkey for `seconds`. It believes `proxies` of its own; the tests' clients are one, at 127.0.0.2.
    """

    files = ()
    folder_of_example: str
    # The file that asks Latchkey, how a comment begins there, and what finds the imports.
    asks: str

    def __init__(self, folder: Path, *, latchkey_port: int, seconds: float = 60, proxies: int = 0, path: str = ""):
        super().__init__(folder, latchkey_port=latchkey_port, api_port=0)
        self.seconds, self.proxies, self.path = seconds, proxies, path

    @classmethod
    def source(cls) -> Path:
        return EXAMPLES / cls.folder_of_example

    def environment(self) -> dict[str, str]:
        return {
            "LATCHKEY_URL": f"http://127.0.0.1:{self.latchkey_port}{self.path}",
            "LATCHKEY_SECONDS": str(self.seconds),
            "PORT": str(self.port),
            "TRUSTED_PROXIES": str(self.proxies),
            # Keys must not go there. Nobody listens at the port 9.
            "HTTP_PROXY": "http://127.0.0.1:9",
            "PYTHONDONTWRITEBYTECODE": "1",
        }


class FastApi(ExampleApi):
    program = sys.executable
    folder_of_example, asks = "fastapi_api", "latchkey.py"

    def arguments(self) -> list[str]:
        return [
            "-W",
            "error",
            "-m",
            "uvicorn",
            "--app-dir",
            str(self.source()),
            "--port",
            str(self.port),
            "--no-proxy-headers",
            "app:app",
        ]


class Express(ExampleApi):
    program = "node"
    folder_of_example, asks = "express_api", "latchkey.js"

    def arguments(self) -> list[str]:
        return [str(install(self.source(), "express") / "app.js")]


class Go(ExampleApi):
    program = "go"
    folder_of_example, asks = "go_api", "latchkey.go"

    def start(self) -> None:
        self.program = str(_built(self.source()))
        super().start()

    def arguments(self) -> list[str]:
        return []


@cache
def _built(source: Path) -> Path:
    """The program, built without a C compiler and without the network."""
    program = DATA_DIR / "go_api"
    offline = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-trimpath", "GOPROXY": "off"}
    command = [shutil.which("go") or lacking("go"), "build", "-o", str(program), "."]
    subprocess.run(command, cwd=source, env=os.environ | offline, check=True, timeout=SECONDS_TO_BUILD)
    return program


LANGUAGES: list[type[ExampleApi]] = [FastApi, Express, Go]
Starter = Callable[..., ExampleApi]
