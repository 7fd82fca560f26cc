"""Certificates as etcd and a running daemon take them, and take new ones in their place."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from acceptance.base.waiting import eventually, eventually_true
from flocker.base.config import Certificates
from flocker.base.errors import ControlPlaneAway
from flocker.certificates.leaves import Leaf
from flocker.certificates.tls import Tls
from flocker.consensus.etcd import EtcdOwnership
from judge.machine.ports import free_port
from tests.contract.flocker.certificates.conftest import ADDRESS, ROOT
from tests.contract.flocker.certificates.test_renewal import make_ending
from tests.contract.flocker.driver_process import SHORT_SECONDS
from tests.contract.flocker.etcd_members import LEASE_SECONDS, Etcd
from tests.contract.flocker.own_driver import OwnDriver, lone_driver

pytestmark = pytest.mark.contract

ENDED = re.compile("etcd does not answer|certificate")


def test_etcd_takes_only_certificates_of_its_own_authority(certs: Path, tmp_path: Path) -> None:
    signed = [ROOT / "provision" / "certificates", certs, "--monitor", "prometheus"]
    subprocess.run(signed, check=True, timeout=60)
    etcd = Etcd(tmp_path, certs=certs / "node1")
    etcd.start()
    try:
        trusted = Certificates.within(certs / "node2" / "etcd")
        assert EtcdOwnership([etcd.endpoint], LEASE_SECONDS, trusted).state().volumes == {}
        for folder in ("node2", "operator", "monitors/prometheus"):
            shown = Certificates.within(certs / folder)
            other = Certificates(trusted.ca, shown.cert, shown.key)
            with pytest.raises(ControlPlaneAway, match=r"alert|eof occurred"):
                EtcdOwnership([etcd.endpoint], LEASE_SECONDS, other).state()
    finally:
        etcd.stop()


def test_an_etcd_with_a_certificate_of_another_nodes_authority_is_not_asked(
    tmp_path: Path,
) -> None:
    """Go checks the names and addresses that an authority may sign for."""
    certs, addresses = tmp_path / "certs", ("127.0.0.2", "127.0.0.3")
    make = [ROOT / "provision" / "certificates", certs]
    nodes = [f"node{number}={address}" for number, address in enumerate(addresses, 1)]
    subprocess.run([*make, *nodes], check=True, timeout=60)
    member = certs / "node2" / "member"
    Leaf("member", member, certs / "node2" / "authority" / "etcd", is_server=True).make(
        "node2", addresses[0]
    )
    shown = [f"--{name}={certs / 'node1' / 'etcd' / file}" for name, file in (
        ("cacert", "ca.pem"), ("cert", "cert.pem"), ("key", "key.pem"),
    )]  # fmt: skip
    with socket.create_server((addresses[0], 0)) as listening:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(member / "cert.pem", member / "key.pem")
        port = listening.getsockname()[1]
        asking = subprocess.Popen(
            ["etcdctl", f"--endpoints=https://{addresses[0]}:{port}", *shown, "get", "demo"],
            env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/usr/local/bin"},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        listening.settimeout(30)
        connection, _ = listening.accept()
        with connection, pytest.raises(ssl.SSLError, match="certificate"):
            tls.wrap_socket(connection, server_side=True).recv(1)
    said = asking.communicate(timeout=60)[1]
    assert "is not permitted by any constraint" in said or "deadline exceeded" in said


class Running:
    """node1's daemon and etcd, with certificates that are good for seconds only."""

    def __init__(self, driver: OwnDriver, etcd: Etcd, port: int, certs: Path) -> None:
        self.driver = driver
        self.etcd = etcd
        self._ports = {"driver": port, "etcd": int(etcd.endpoint.rpartition(":")[2])}
        self._operator = Certificates.within(certs / "operator")
        self._files = {
            "driver": Certificates.within(certs / "node2"),
            "etcd": Certificates.within(certs / "node2" / "etcd"),
        }

    def serial(self, what: str) -> str:
        """Shake hands as node2, and read the number of the certificate that is shown."""
        files = self._files[what]
        tls = ssl.create_default_context(cafile=files.ca)
        tls.load_cert_chain(files.cert, files.key)
        with (
            socket.create_connection((ADDRESS, self._ports[what]), timeout=10) as connection,
            tls.wrap_socket(connection, server_hostname="node1") as wrapped,
        ):
            shown: Any = wrapped.getpeercert()
            return str(shown["serialNumber"])

    def serial_of_etcd(self) -> str:
        """As `serial`. etcd reads certificate and key one after the other, and refuses if one of
        them was replaced in between; whoever calls etcd asks again then, but not twice."""
        try:
            return self.serial("etcd")
        except ssl.SSLError as error:
            assert "internal error" in str(error)
            return self.serial("etcd")

    def health(self) -> list[str]:
        files = self._operator
        answer = httpx2.get(
            f"https://{ADDRESS}:{self._ports['driver']}/health", verify=Tls(files).client
        )
        problems: list[str] = answer.json()["problems"]
        return problems


def test_certificates_are_renewed_while_daemon_and_etcd_run(
    certs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_ending(certs, SHORT_SECONDS, monkeypatch)
    began = time.monotonic()
    etcd = Etcd(tmp_path, certs=certs / "node1")
    etcd.start()
    port = free_port()
    own = lone_driver(tmp_path / "driver", etcd, certs / "node1", port, are_certificates_short=True)
    try:
        with own as driver:
            driver.start()
            running = Running(driver, etcd, port, certs)
            of_driver, of_etcd = set(), set()

            def look() -> bool:
                of_driver.add(running.serial("driver"))
                of_etcd.add(running.serial_of_etcd())
                is_old = time.monotonic() - began > SHORT_SECONDS
                return is_old and min(len(of_driver), len(of_etcd)) > 2

            eventually(look, is_=True, within=6 * SHORT_SECONDS)
            # Also what was connected before connects anew.
            etcd.stop()
            etcd.start()
            eventually_true(
                running.health,
                lambda problems: not any(ENDED.search(each) for each in problems),
                what="no problem with etcd and certificates",
                within=60,
            )
            assert driver.log.read_text().count("serving volumes of") == 1
    finally:
        etcd.stop()
