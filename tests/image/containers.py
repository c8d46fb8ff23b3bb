"""Images and containers without a container engine: mmdebstrap makes a base, buildah builds on it, and runc runs it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.environment import REPOSITORY
from tests.support.programs.postgres import free_port
from tests.support.programs.servers import Server

# No user of the machine or of the image: what such a user can do, every user can.
FOREIGN = 43_210
# The packages that an image of Python has, in Debian's words.
PACKAGES = "python3,python3-venv,ca-certificates"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


class Image(NamedTuple):
    name: str
    # The files, as a folder.
    root: Path
    # User, Env, Cmd, Healthcheck and so on, as Docker names them.
    config: dict[str, Any]


class Images:
    """Builds images in a folder of its own, and nowhere else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make_base(self) -> Image:
        """Debian with Python. It trusts the certificate authorities that this machine trusts."""
        container = self._buildah("from", "scratch")
        root = self._buildah("mount", container)
        copy = f"--customize-hook=copy-in {CERTIFICATES} {Path(CERTIFICATES).parent}"
        options = ["--quiet", "--format=directory", "--variant=minbase", f"--include={PACKAGES}", copy]
        subprocess.run(["mmdebstrap", *options, "bookworm", root], check=True)
        for name in ("SSL_CERT_FILE", "PIP_CERT"):
            self._buildah("config", "--env", f"{name}={CERTIFICATES}", container)
        self._buildah("commit", "--quiet", container, "localhost/base")
        return Image("localhost/base", Path(root), self._config("localhost/base"))

    def build(self, base: Image) -> Image:
        """The Containerfile's image. Its health check exists only in Docker's format."""
        self._buildah(
            *("bud", "--isolation", "chroot", "--format", "docker", "--build-arg", f"BASE={base.name}"),
            *("--file", "Containerfile", "--tag", "localhost/latchkey", "."),
        )
        root = self._buildah("mount", self._buildah("from", "--pull-never", "localhost/latchkey"))
        return Image("localhost/latchkey", Path(root), self._config("localhost/latchkey"))

    def _config(self, name: str) -> dict[str, Any]:
        found = json.loads(self._buildah("inspect", "--type", "image", name))
        config: dict[str, Any] = found["Docker"]["config"]
        return config

    def _buildah(self, *arguments: str) -> str:
        """The last line of the output."""
        place = ("--root", str(self._folder / "store"), "--runroot", str(self._folder / "run"))
        # Other drivers need rights that a container does not have in which this may run.
        command = ["buildah", *place, "--storage-driver", "vfs", *arguments]
        done = subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip() if arguments[0] == "inspect" else done.stdout.strip().rpartition("\n")[2]


class Container(Server):
    """A container of an image: read-only, without capabilities, as a user that no image knows. It shares the network of
    this machine, on free ports.
    """

    def __init__(self, image: Image, folder: Path, data: Path, *command: str, **environment: str) -> None:
        super().__init__()
        self.image, self.id = image, f"latchkey-{os.getpid()}-{free_port()}"
        self._bundle, self._state = folder / self.id, folder / "state"
        self._bundle.mkdir()
        os.chown(data, FOREIGN, FOREIGN)
        self.mounts = {"/data": (data, "rw")}
        ports = {"PORT": str(self.port), "CHECK_PORT": str(self.check_port)}
        given = dict(each.split("=", 1) for each in image.config["Env"])
        self.environment = {**given, **ports, **environment}
        self._arguments = [*command] or image.config["Cmd"]

    def command(self) -> list[str]:
        self._write_bundle()
        runc = ["runc", "--root", str(self._state), "run", "--bundle", str(self._bundle), self.id]
        # The tests have the umask of the settings, with which a container could not enter the folders of its mounts.
        return ["sh", "-c", 'umask 022 && exec "$@"', "sh", *runc]

    def run(self) -> subprocess.CompletedProcess[str]:
        """Runs a container that ends by itself."""
        return subprocess.run(self.command(), check=False, capture_output=True, text=True)

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command in the container, beside its server."""
        whole = ["runc", "--root", str(self._state), "exec", self.id, *command]
        return subprocess.run(whole, check=False, capture_output=True, text=True)

    def _write_bundle(self) -> None:
        (self._bundle / "config.json").unlink(missing_ok=True)
        subprocess.run(["runc", "spec"], cwd=self._bundle, check=True)
        spec = json.loads((self._bundle / "config.json").read_text())
        spec["root"] = {"path": str(self.image.root), "readonly": True}
        spec["process"] |= {
            "terminal": False,
            "user": {"uid": FOREIGN, "gid": FOREIGN},
            "capabilities": {},
            "args": self._arguments,
            "env": [f"{name}={value}" for name, value in self.environment.items()],
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 16_384, "soft": 1_024}],
        }
        spec["mounts"] = [each for each in spec["mounts"] if each["type"] not in {"cgroup", "sysfs"}]
        for place, (source, mode) in self.mounts.items():
            options = ["bind", mode, "nosuid", "nodev"]
            spec["mounts"].append({"destination": place, "type": "bind", "source": str(source), "options": options})
        kinds = [each for each in spec["linux"]["namespaces"] if each["type"] != "network"]
        spec["linux"] |= {"namespaces": kinds, "resources": {}}
        (self._bundle / "config.json").write_text(json.dumps(spec))
