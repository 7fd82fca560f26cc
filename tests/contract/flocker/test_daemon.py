"""One node's whole daemon, put together on a real btrfs and a real etcd."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from acceptance.waiting import eventually
from flocker.config import Certificates, Config
from flocker.daemon import assemble
from flocker.etcd_wire import Members, delete
from host import ROOT
from tests.contract.flocker.conftest import mounted_btrfs
from tests.contract.flocker.etcd_members import Etcd

pytestmark = pytest.mark.contract


@pytest.fixture
def node1(etcd: Etcd, tmp_path: Path) -> Iterator[tuple[TestClient, TestClient, Path]]:
    """A daemon: its answers to the operator and to peers, and its pool."""
    make = [str(ROOT / "provision" / "certificates"), str(tmp_path / "certs"), "node1=127.0.0.1"]
    subprocess.run(["sh", *make], check=True, capture_output=True)
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
        try:
            with TestClient(daemon.engine_app) as operator, TestClient(daemon.peers_app) as peers:
                yield operator, peers, root
        finally:
            stopping.set()


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
    assert len(list((root / "reserve").iterdir())) > 1000
    for name in ("pool_free_bytes", "problems", "etcd_bytes", "etcd_alarm"):
        assert f"flocker_{name} " in metrics()


def test_a_volume_whose_record_is_lost_is_shown_and_comes_back(
    node1: tuple[TestClient, TestClient, Path],
    etcd: Etcd,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flocker.strays.STRAY_SECONDS", 1)
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
