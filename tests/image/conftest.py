import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.containers import Image, Images
from tests.support.environment import lacking


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    for program in ("mmdebstrap", "buildah", "runc"):
        if shutil.which(program) is None:
            lacking(program)
    if os.geteuid() != 0:
        lacking("root")
    folder = tmp_path_factory.mktemp("images")
    yield Images(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def base(images: Images) -> Image:
    return images.make_base()


@pytest.fixture(scope="session")
def image(images: Images, base: Image) -> Image:
    return images.build(base)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """What a volume is for a container: a folder that only its user can use."""
    folder = tmp_path / "volume"
    folder.mkdir(mode=0o700)
    return folder
