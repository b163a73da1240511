"""`up`: every service as a child of one process; the fixture ends them together."""

import pytest
from running import Services

pytestmark = pytest.mark.stack


def test_all_services_are_up(services: Services) -> None:
    assert services.alive() == services.names
