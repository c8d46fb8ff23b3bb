from collections.abc import Iterator

import pytest

from tests.support.apis.examples import LANGUAGES, ExampleApi, Starter
from tests.support.environment import lacking
from tests.support.gateways.proxies import find
from tests.support.programs.servers import Server


@pytest.fixture(scope="session")
def session_latchkey(django_db_setup: None, static_files: None) -> Iterator[Server]:
    """A Latchkey that believes what the APIs say of their clients' addresses."""
    with Server.started(TRUSTED_PROXIES="1") as server:
        yield server


@pytest.fixture
def latchkey(transactional_db: None, session_latchkey: Server) -> Server:
    return session_latchkey


@pytest.fixture(scope="session", params=LANGUAGES, ids=lambda language: language.__name__)
def language(request: pytest.FixtureRequest) -> type[ExampleApi]:
    found: type[ExampleApi] = request.param
    if not find(found.program):
        lacking(found.program)
    return found


@pytest.fixture(scope="session")
def session_example(language, tmp_path_factory, session_latchkey) -> Iterator[ExampleApi]:
    example = language(tmp_path_factory.mktemp(language.__name__), latchkey_port=session_latchkey.check_port)
    example.start()
    yield example
    example.stop()


@pytest.fixture
def example(latchkey: Server, session_example: ExampleApi) -> ExampleApi:
    """The API of docs/examples in one of the languages. It asks `latchkey`."""
    return session_example


@pytest.fixture
def example_to(language, tmp_path) -> Iterator[Starter]:
    """Starts another API: `example_to(latchkey_port, seconds=1)`."""
    started: list[ExampleApi] = []

    def start(latchkey_port: int, **options) -> ExampleApi:
        started.append(language(tmp_path, latchkey_port=latchkey_port, **options))
        started[-1].start()
        return started[-1]

    yield start
    for example in started:
        example.stop()
