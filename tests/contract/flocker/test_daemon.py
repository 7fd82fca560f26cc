"""One node's whole daemon, put together on a real btrfs and a real etcd."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from acceptance.base.waiting import eventually
from flocker.api import permissions
from flocker.api.peer_route import PeerRoute
from flocker.base.config import Certificates, Config
from flocker.base.errors import Refused
from flocker.base.records import Copy, Event, Snapshot, Volume, now
from flocker.consensus.etcd import EtcdOwnership
from flocker.consensus.etcd_wire import Members, delete
from flocker.daemon import Daemon, assemble
from flocker.fence.lease_file import LeaseFile, boottime
from host import ROOT
from tests.contract.flocker.conftest import mounted_btrfs
from tests.contract.flocker.etcd_members import Etcd
from tests.contract.flocker.mounted import processes_with
from tests.contract.flocker.peer_caller import as_operator
from tests.contract.flocker.writers import writers
from tests.unit.flocker.heartbeats import beating

pytestmark = pytest.mark.contract


@pytest.fixture
def _beating(tmp_path: Path) -> Iterator[None]:
    """A fence that looks again and again and has no clock: as on a virtual machine that was
    paused, it never finds that the lease is about to end."""
    with beating(LeaseFile(tmp_path / "run"), every_seconds=0.1):
        yield


@pytest.fixture
def daemons() -> list[Daemon]:
    """The daemon, once it was started."""
    return []


@pytest.fixture
def node1(
    _beating: None, etcd: Etcd, tmp_path: Path, daemons: list[Daemon]
) -> Iterator[tuple[TestClient, TestClient, Path]]:
    """A daemon: its answers to the operator and to peers, and its pool."""
    make = [str(ROOT / "provision" / "certificates"), str(tmp_path / "certs"), "node1=127.0.0.1"]
    subprocess.run(make, check=True, capture_output=True)
    stopping = threading.Event()
    with mounted_btrfs() as root:
        config = Config(
            "node1",
            "127.0.0.1",
            [etcd.endpoint],
            Certificates.within(tmp_path / "certs" / "node1"),
            pool=root,
            runtime=tmp_path / "run",
            engine_socket=tmp_path / "no-engine.sock",
            lease_seconds=3,
        )
        daemon = assemble(config, stopping)
        daemons.append(daemon)
        try:
            peers_app = as_operator(daemon.peers_app)
            with TestClient(daemon.engine_app) as operator, TestClient(peers_app) as peers:
                yield operator, peers, root
        finally:
            stopping.set()


@pytest.mark.usefixtures("node1")
def test_each_route_for_other_machines_is_checked_and_listed(daemons: list[Daemon]) -> None:
    routes = daemons[0].peers_app.routes
    listed = {(method, route.path) for route in checked(routes) for method in route.methods}
    assert listed == permissions.ROUTES.keys()


def checked(routes: list[BaseRoute]) -> list[PeerRoute]:
    found = [route for route in routes if isinstance(route, PeerRoute)]
    assert found == routes, "something else would be answered without a check"
    return found


def health(operator: TestClient) -> list[str]:
    problems: list[str] = operator.get("/flocker/health").json()["problems"]
    return problems


def test_a_node_is_well_and_watches_its_pool_and_its_etcd(
    node1: tuple[TestClient, TestClient, Path],
) -> None:
    operator, _, root = node1
    eventually(lambda: health(operator), is_=[], within=30)

    def metrics() -> str:
        return operator.get("/flocker/metrics").text

    eventually(lambda: "flocker_etcd_quota_bytes 2.147" in metrics(), is_=True, within=30)
    certificates = operator.get("/flocker/status").json()["certificates"]
    assert certificates[0].keys() == {"certificate", "ends"}
    assert 'flocker_certificate_ends_timestamp_seconds{certificate="driver"} ' in metrics()
    assert len(list((root / "reserve").iterdir())) > 1000
    for name in ("pool_free_bytes", "problems", "etcd_bytes", "etcd_alarm"):
        assert f"flocker_{name} " in metrics()


@pytest.fixture
def _ending(monkeypatch: pytest.MonkeyPatch) -> None:
    """People are told of authorities that end within twenty years."""
    monkeypatch.setattr("flocker.certificates.renewal.WARN_OF_AUTHORITY_SECONDS", 20 * 365 * 86400)


def test_a_certificate_that_ends_is_in_health_status_and_metrics(
    _ending: None, node1: tuple[TestClient, TestClient, Path]
) -> None:
    operator, monitor, _ = node1
    told = "the certificate of the node's authority ends at"
    eventually(lambda: told in "".join(health(operator)), is_=True, within=30)
    assert told in "".join(monitor.get("/health").json()["problems"])
    assert told in "".join(operator.get("/flocker/status").json()["problems"])
    ends = 'flocker_certificate_ends_timestamp_seconds{certificate="node\'s authority"} '
    assert ends in monitor.get("/metrics").text


def test_a_volume_whose_record_is_lost_is_shown_and_comes_back(
    node1: tuple[TestClient, TestClient, Path],
    etcd: Etcd,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flocker.care.strays.STRAY_SECONDS", 1)
    operator, peers, root = node1
    eventually(lambda: health(operator), is_=[], within=30)
    assert peers.post("/volumes/demo/create", json={"options": {"size": "64MiB"}}).json() == {}
    [folder] = (root / "volumes").iterdir()
    (folder / "live" / "file").write_text("hello")
    eventually(lambda: (folder / "record").is_symlink(), is_=True, within=30)
    Members([etcd.endpoint], None).ask("/kv/txn", {"success": [delete("volumes/demo")]})
    eventually(lambda: "`flocker import" in "".join(health(operator)), is_=True, within=30)
    answer = operator.post("/flocker/import", json={"reference": "demo", "name": None}).json()
    assert answer["volume"]["id"] == folder.name
    assert answer["volume"]["size_bytes"] == 64 << 20
    assert (folder / "live" / "file").read_text() == "hello"
    eventually(lambda: health(operator), is_=[], within=30)


def lose_lease(members: Members) -> None:
    """Have every lease in etcd end at this moment."""
    for lease in members.ask("/lease/leases", {}).get("leases", ()):
        members.ask("/lease/revoke", {"ID": lease["ID"]})


def take_over(etcd: Etcd, volume: Volume) -> None:
    """Have node1's lease end, and node2 promote its copy before node1 has a new one."""
    node2 = EtcdOwnership([etcd.endpoint], 15, None)
    copy = Copy(volume.id, "node2", Snapshot(1, "there"), now())

    def is_promoted() -> bool:
        lose_lease(Members([etcd.endpoint], None))
        with suppress(Refused):  # it was faster
            node2.promote(volume, copy, Event(volume.id, "demo", now(), "node2", "promoted"))
            return True
        return False

    eventually(is_promoted, is_=True, within=30)


def auto_volume(etcd: Etcd, peers: TestClient, name: str) -> Volume:
    """Create a volume on node1 that others take over."""
    peers.post(f"/volumes/{name}/create", json={"options": {}})
    ownership = EtcdOwnership([etcd.endpoint], 15, None)
    volume = ownership.volume(name)
    assert volume is not None
    auto = replace(volume, failover="auto")
    ownership.change(volume, auto, Event(volume.id, name, now(), "node1", "changed"))
    return auto


def test_a_node_with_a_new_lease_first_stops_what_was_taken(
    node1: tuple[TestClient, TestClient, Path],
    etcd: Etcd,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operator, peers, root = node1
    eventually(lambda: health(operator), is_=[], within=30)
    demo, kept = (auto_volume(etcd, peers, name) for name in ("demo", "kept"))
    files = LeaseFile(tmp_path / "run")
    eventually(lambda: len(files.read_auto().volumes), is_=2, within=30)
    lives = [root / "volumes" / volume.id / "live" for volume in (demo, kept)]
    (tmp_path / "data").mkdir()
    write, writing = LeaseFile.write_renewed, []

    def write_renewed(self: LeaseFile, renewed_at: float, lease_seconds: float) -> None:
        writing.append((renewed_at, [len(processes_with(live)) for live in lives]))
        write(self, renewed_at, lease_seconds)

    with writers(tmp_path / "data", lives):
        monkeypatch.setattr(LeaseFile, "write_renewed", write_renewed)
        take_over(etcd, demo)
        taken_at = boottime()
        eventually(lambda: bool(writing) and writing[-1][0] > taken_at, is_=True, within=30)
    first = next(count for renewed_at, count in writing if renewed_at > taken_at)
    assert first == [0, 1]


def test_without_its_fence_a_node_is_not_well(
    node1: tuple[TestClient, TestClient, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, _, _ = node1
    eventually(lambda: health(operator), is_=[], within=30)
    assert "flocker_fence_watching 1" in operator.get("/flocker/metrics").text
    monkeypatch.setattr(LeaseFile, "write_heartbeat", lambda *_: None)
    eventually(lambda: "flocker-fence has not looked" in "".join(health(operator)), is_=True,
               within=30)  # fmt: skip
    assert "flocker_fence_watching 0" in operator.get("/flocker/metrics").text
    assert operator.get("/flocker/health").status_code == 503


def test_all_parts_of_a_daemon_are_at_work(
    node1: tuple[TestClient, TestClient, Path],
    daemons: list[Daemon],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operator, _, _ = node1
    [pulse] = [each.pulse for each in daemons]
    eventually(lambda: health(operator), is_=[], within=30)
    assert pulse.limits.keys() == {"announcing", "publishing", "tidying"}
    assert pulse.hung() == []
    for part in pulse.limits:
        monkeypatch.setitem(pulse.limits, part, 0)
    eventually(lambda: [part.split()[0] for part in pulse.hung()], is_=list(pulse.limits), within=9)
    for part in pulse.limits:
        monkeypatch.setitem(pulse.limits, part, 15)
    eventually(pulse.hung, is_=[], within=9)
