from collections.abc import Iterator

import pytest

from acceptance.base.direct import direct_connections


@pytest.fixture(autouse=True, scope="session")
def direct() -> Iterator[None]:
    """Tests talk to this machine and its nodes only."""
    with direct_connections():
        yield
