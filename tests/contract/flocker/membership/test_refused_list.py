"""The list by which a member of etcd refuses authorities: written, and left alone when right."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from flocker.base.errors import ControlPlaneAway
from flocker.base.records import Node
from flocker.certificates import signing
from flocker.certificates.leaves import REFUSED
from flocker.certificates.renewal import Renewal
from flocker.consensus.mirror import Mirror
from flocker.membership import refusals
from flocker.membership.refusals import Refusals
from tests.contract.flocker.membership.conftest import ADDRESS, of_node1
from tests.twins.memory_ownership import MemoryOwnership

pytestmark = pytest.mark.contract

NOBODY = 65534


def listed(file: Path) -> list[str]:
    """The serial numbers in a list, as openssl reads it."""
    shown = subprocess.run(
        ["openssl", "crl", "-inform", "DER", "-in", file, "-noout", "-text"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "Version 2" in shown
    numbers = (line.split(":")[1].strip() for line in shown.splitlines() if "Serial Num" in line)
    return sorted(numbers)


class Known:
    """A mirror on an etcd in memory, in which authorities are refused."""

    def __init__(self, folder: Path, *serials: str) -> None:
        self.ownership = MemoryOwnership()
        self.mirror = Mirror(self.ownership, folder / "catalog.json")
        for number, serial in enumerate(serials):
            self.refuse(f"node-{number}", serial)

    def refuse(self, name: str, serial: str) -> None:
        self.ownership.announce(Node(name, ADDRESS, "0", 0, 1, authority=serial))
        self.ownership.expire(name)
        self.ownership.forget_node(name)


@pytest.fixture
def file(certs: Path) -> Path:
    return certs / "node1" / "member" / REFUSED


def test_a_list_has_all_and_belongs_to_whom_its_folder_does(
    certs: Path, file: Path, tmp_path: Path
) -> None:
    assert listed(file) == []
    shutil.chown(file.parent, NOBODY, NOBODY)
    known = Known(tmp_path, "0A", "B7" * 20)
    node1 = Refusals(of_node1(certs), known.mirror)
    node1.look()
    assert listed(file) == ["0A", "B7" * 20]
    status = file.lstat()
    assert (status.st_uid, status.st_gid, oct(status.st_mode)) == (NOBODY, NOBODY, "0o100600")
    known.refuse("node-late", "C8")
    node1.look()
    assert listed(file) == ["0A", "B7" * 20, "C8"]


def test_a_list_that_is_right_is_left_alone_and_another_is_not(
    certs: Path, file: Path, tmp_path: Path
) -> None:
    node1 = Refusals(of_node1(certs), Known(tmp_path, "0A").mirror)
    node1.look()
    written = file.stat()
    node1.look()
    assert file.stat() == written
    file.write_text("cut off")
    node1.look()
    assert listed(file) == ["0A"]


def test_a_record_that_is_no_number_gets_into_no_list(
    certs: Path, file: Path, tmp_path: Path
) -> None:
    crafted = ["../x", "0A\tunknown", "0A\nR\t", "0", "0a", "00" * 21, "XY"]
    node1 = Refusals(of_node1(certs), Known(tmp_path, "0B", *crafted).mirror)
    node1.look()
    assert (listed(file), node1.problems()) == (["0B"], [])


def test_while_etcd_is_away_only_a_list_that_is_missing_is_made(
    certs: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Known(tmp_path, "0A")
    known.mirror.refresh()
    monkeypatch.setattr(known.ownership, "state", away)
    assert not known.mirror.is_connected
    node1 = Refusals(of_node1(certs), known.mirror)
    before = file.read_bytes()
    node1.look()
    assert file.read_bytes() == before
    file.unlink()
    node1.look()
    assert listed(file) == ["0A"]


def away() -> None:
    raise ControlPlaneAway("etcd does not answer")


def test_a_node_without_a_member_or_without_authorities_keeps_no_list(
    certs: Path, file: Path, tmp_path: Path
) -> None:
    known = Known(tmp_path, "0A")
    before = file.read_bytes()
    shutil.rmtree(certs / "node1" / "authority")
    node1 = Refusals(of_node1(certs), known.mirror)
    node1.look()
    assert (file.read_bytes(), node1.problems()) == (before, [])
    shutil.rmtree(file.parent)
    node1.look()
    assert (file.parent.exists(), node1.problems()) == (False, [])


def test_a_list_that_cannot_be_written_is_a_problem_until_it_is(
    certs: Path, file: Path, tmp_path: Path
) -> None:
    key = certs / "node1" / "authority" / "etcd" / "key.pem"
    whole = key.read_text()
    key.write_text("cut off")
    node1 = Refusals(of_node1(certs), Known(tmp_path, "0A").mirror)
    before = file.read_bytes()
    node1.look()
    [problem] = node1.problems()
    assert f"{file} could not be written, so etcd here may let in" in problem
    assert "`openssl ca` failed" in problem
    assert file.read_bytes() == before
    key.write_text(whole)
    node1.look()
    assert (listed(file), node1.problems()) == (["0A"], [])


def test_an_authority_is_known_by_its_number(certs: Path) -> None:
    cert = certs / "node1" / "authority" / "etcd" / "cert.pem"
    node1 = Renewal(of_node1(certs))
    assert node1.authority_for_etcd() == signing.serial(cert)
    assert refusals.SERIAL.fullmatch(signing.serial(cert))
    cert.write_text("cut off")
    assert node1.authority_for_etcd() == ""
    shutil.rmtree(certs / "node1" / "authority")
    assert node1.authority_for_etcd() == ""
