"""The rights of the package's units, by systemd's own measure: 0 for nothing, 10 for everything.

Decision 36 has the reason for each point that is left.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from host import ROOT

pytestmark = pytest.mark.contract

UNITS = {
    "flocker": ROOT / "debian" / "flocker.service",
    "flocker-fence": ROOT / "debian" / "flocker.flocker-fence.service",
    "flocker-firewall": ROOT / "debian" / "flocker.flocker-firewall.service",
    "flocker-pool": ROOT / "debian" / "flocker.flocker-pool.service",
}
# In tenths, as the option takes them; at most that much.
MOST = {"flocker": 49, "flocker-fence": 33, "flocker-firewall": 20, "flocker-pool": 39}
NEEDS_THE_MACHINES_MOUNTS = ("flocker", "flocker-fence", "flocker-pool")
# Each gives a process mounts of its own; PrivateNetwork does so by a new /sys.
OWN_MOUNTS = {
    "PrivateNetwork",
    *("ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateMounts"),
    *("ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs"),
    *("ProtectControlGroups", "ProtectProc", "ProcSubset", "ReadWritePaths", "ReadOnlyPaths"),
    *("InaccessiblePaths", "BindPaths", "TemporaryFileSystem", "RootDirectory", "DynamicUser"),
}


def settings(unit: str) -> dict[str, list[str]]:
    """The unit's settings, in whatever section."""
    found: dict[str, list[str]] = {}
    for line in UNITS[unit].read_text().splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def measured(folder: Path, unit: str, text: str) -> int:
    """The exit status of systemd's measure of a unit."""
    file = folder / f"{unit}.service"
    file.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", f"--threshold={MOST[unit]}", str(file)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert "Overall exposure level" in done.stdout, done.stderr
    return done.returncode


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_may_do_no_more_than_it_needs(unit: str, tmp_path: Path) -> None:
    assert measured(tmp_path, unit, UNITS[unit].read_text()) == 0


@pytest.mark.parametrize(
    "loosened", ["CapabilityBoundingSet=", "RestrictNamespaces=", "SystemCallFilter="]
)
@pytest.mark.parametrize("unit", UNITS)
def test_one_that_may_do_more_is_noticed(unit: str, loosened: str, tmp_path: Path) -> None:
    lines = UNITS[unit].read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(loosened)]
    assert len(kept) < len(lines)
    assert measured(tmp_path, unit, "".join(kept)) == 1


@pytest.mark.parametrize("unit", UNITS)
def test_every_file_is_closed_to_others(unit: str) -> None:
    assert settings(unit)["UMask"] == ["0077"]


@pytest.mark.parametrize("unit", NEEDS_THE_MACHINES_MOUNTS)
def test_none_has_mounts_of_its_own(unit: str) -> None:
    assert OWN_MOUNTS.intersection(settings(unit)) == set()


def test_the_daemon_is_bounded() -> None:
    assert int(settings("flocker")["LimitNOFILE"][0]) >= 65536
    assert settings("flocker")["MemoryMax"] == ["50%"]
