"""What the janitor's tests share."""

from pathlib import Path

import pytest

from libs.common.objects import ObjectStore
from libs.common.settings import Settings
from tests.conftest import NatsServer
from tests.support.janitor import settings_for, store_of


@pytest.fixture
def settings(nats_server: NatsServer, tmp_path: Path) -> Settings:
    return settings_for(nats_server, tmp_path / "data")


@pytest.fixture
def store(settings: Settings) -> ObjectStore:
    return store_of(settings)
