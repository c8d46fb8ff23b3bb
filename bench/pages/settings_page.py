"""V7: the settings page of a project with many keys, compared with a project with few keys."""

import time
from contextlib import closing
from http.client import HTTPConnection
from statistics import median

from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from apikeys.models import ApiKey
from bench.results import Goal, Row
from bench.stage import Measured, Stage
from bench.tools import servers
from bench.tools.load import LoadFailed
from projects.models import Project
from tests.support.factories import ApiKeyFactory, MembershipFactory, ProjectFactory

MOST_QUERIES = 8
GOAL = Goal(most=1.3)


def owned_project(owner: User, keys: int) -> Project:
    project: Project = ProjectFactory(created_by=owner)
    MembershipFactory(user=owner, project=project)
    ApiKey.objects.bulk_create(ApiKeyFactory.build(project=project, responsible=owner) for _ in range(keys))
    return project


class Reader:
    """A signed-in person who loads pages from a server, with a session of `owner`."""

    def __init__(self, owner: User, server: servers.Server) -> None:
        self.client = Client(SERVER_NAME="127.0.0.1")
        self.client.force_login(owner, backend=settings.AUTHENTICATION_BACKENDS[0])
        self._cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in self.client.cookies.items())
        self._server = server

    def queries(self, path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            self.size(path)
        return len(captured)

    def size(self, path: str) -> int:
        """The bytes of a page, before compression."""
        answer = self.client.get(path)
        if answer.status_code != 200:
            raise LoadFailed(f"{path}: {answer.status_code}")
        return len(answer.content)

    def milliseconds(self, paths: list[str], loads: int) -> list[float]:
        """Each page's median time. The pages are loaded in turn over one connection."""
        times: list[list[float]] = [[] for _ in paths]
        with closing(HTTPConnection("127.0.0.1", self._server.port, timeout=30)) as http:
            for number in range(loads + 3):
                for path, taken in zip(paths, times, strict=True):
                    spent = self._load(http, path)
                    if number >= 3:  # the first loads fill caches of templates and plans
                        taken.append(spent)
        return [median(taken) for taken in times]

    def _load(self, http: HTTPConnection, path: str) -> float:
        started = time.perf_counter()
        http.request("GET", path, headers={"Cookie": self._cookie})
        answer = http.getresponse()
        answer.read()
        if answer.status != 200:
            raise LoadFailed(f"{path}: {answer.status}")
        return (time.perf_counter() - started) * 1000


def settings_page(stage: Stage) -> Measured:
    many, few = owned_project(stage.owner, stage.plan.page_keys), owned_project(stage.owner, 10)
    paths = [reverse("apikeys:settings", args=[project.public_id]) for project in (many, few)]
    with servers.product(stage.url, MAX_KEYS_PER_PROJECT="2000") as product:
        reader = Reader(stage.owner, product)
        times = reader.milliseconds(paths, stage.plan.page_loads)
        queries = [reader.queries(path) for path in paths]
    raw = {"ms": times[0], "ms with 10 keys": times[1], "queries": queries[0], "queries with 10": queries[1]}
    broken = "" if queries[0] == queries[1] <= MOST_QUERIES else f"{queries[0]} queries, with 10 keys {queries[1]}"
    row = Row(
        "V7", f"settings page with {stage.plan.page_keys:,} keys", "with 10", times[0] / times[1], GOAL, broken, raw=raw
    )
    return Measured([row], {})
