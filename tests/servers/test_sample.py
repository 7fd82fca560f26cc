"""One server of each Debian, and one scenario on them: the quick look that every CI run takes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.servers.conftest import Site
from tests.servers.machines import USER

pytestmark = [pytest.mark.servers, pytest.mark.sample]


@pytest.fixture(scope="module")
def site(new_site: Callable[..., Site]) -> Site:
    return new_site("12", "13")


def test_a_person_can_log_in_to_each_debian(site: Site) -> None:
    for server in site.servers:
        shown = subprocess.run(
            [
                "ssh", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={site.known_hosts}",
                "-i", site.home / ".ssh" / "id_ed25519", f"{USER}@{server.address}",
                "cat /etc/os-release && sudo id --user",
            ],
            capture_output=True, text=True, check=True, timeout=30,
        ).stdout  # fmt: skip
        assert f'VERSION_ID="{server.debian}"' in shown
        assert shown.splitlines()[-1] == "0"


def test_data_follows_a_container_from_one_debian_to_the_other(site: Site) -> None:
    done = site.behave("@demo and not @browser and not @vagrant")
    assert done.returncode == 0, done.stdout
    assert "1 scenario passed, 0 failed" in done.stdout, done.stdout
