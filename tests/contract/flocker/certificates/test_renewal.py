"""Certificates that a node makes anew, and what people are told of them."""

from __future__ import annotations

import errno
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually, eventually_true
from flocker.base.config import Certificates, Config
from flocker.certificates import leaves, renewal, signing
from flocker.certificates.leaves import Leaf
from flocker.certificates.renewal import Renewal
from flocker.certificates.signing import DAY_SECONDS
from flocker.certificates.tls import Tls
from tests.contract.flocker.certificates.conftest import ADDRESS

pytestmark = pytest.mark.contract

NOBODY = 65534


@pytest.fixture
def node1(certs: Path) -> Renewal:
    return of_node1(certs)


def of_node1(certs: Path) -> Renewal:
    folder = certs / "node1"
    return Renewal(
        Config(
            "node1", ADDRESS, [], Certificates.within(folder), member_certificates=folder / "member"
        )
    )


def leaves_of(certs: Path) -> list[Leaf]:
    return leaves.leaves(certs / "node1", certs / "node1" / "member")


def make_ending(
    certs: Path, within_seconds: float, monkeypatch: pytest.MonkeyPatch, *which: str
) -> None:
    """Give node1 certificates that end soon: all, or those for some purposes."""
    with monkeypatch.context() as now:
        now.setattr(leaves, "LEAF_SECONDS", signing.BACKDATED_SECONDS + within_seconds)
        for leaf in leaves_of(certs):
            if not which or leaf.what in which:
                leaf.make("node1", ADDRESS)


def content(certs: Path) -> dict[str, bytes]:
    return {str(path.relative_to(certs)): path.read_bytes() for path in certs.rglob("*.pem")}


def test_a_node_with_new_certificates_makes_none_and_has_no_problem(
    node1: Renewal, certs: Path
) -> None:
    before = content(certs)
    assert not node1.look()
    assert content(certs) == before
    assert node1.problems() == []
    listed = node1.expiries()
    assert sorted(each["certificate"] for each in listed[:3]) == [
        "client of etcd", "driver", "member of etcd",
    ]  # fmt: skip
    assert sorted(each["certificate"] for each in listed[3:]) == [
        "cluster's authority", "cluster's authority for etcd",
        "node's authority", "node's authority for etcd",
    ]  # fmt: skip


def test_new_certificates_that_could_not_be_read_are_read_later(
    node1: Renewal, certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without files to spare, for example; the old ones would end a month later."""
    monkeypatch.setattr(renewal, "CHECK_SECONDS", 0.05)
    make_ending(certs, 29 * DAY_SECONDS, monkeypatch, "driver")
    stopping, reads = threading.Event(), Counter[str]()

    def reload() -> None:
        reads["tried"] += 1
        if reads["tried"] < 3:
            raise OSError(errno.EMFILE, "Too many open files")
        reads["done"] += 1

    node1.start(stopping, reload)
    eventually(lambda: reads["done"], is_=1, within=30)
    stopping.set()
    assert reads == {"tried": 3, "done": 1}


@pytest.mark.parametrize("what", ["driver", "client of etcd", "member of etcd"])
def test_a_certificate_that_ends_within_a_month_is_made_anew_with_another_key(
    node1: Renewal, certs: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    make_ending(certs, 29 * DAY_SECONDS, monkeypatch, what)
    before = content(certs)
    assert node1.look()
    after = content(certs)
    [folder] = [leaf.folder.relative_to(certs) for leaf in leaves_of(certs) if leaf.what == what]
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {f"{folder}/cert.pem", f"{folder}/key.pem"}
    assert not node1.look()


def break_key(folder: Path) -> None:
    shutil.copy(folder / "authority" / "drivers" / "key.pem", folder / "key.pem")


def cut_off(folder: Path) -> None:
    (folder / "cert.pem").write_text("cut off")


def remove(folder: Path) -> None:
    (folder / "key.pem").unlink()


def change_authority(folder: Path) -> None:
    other = leaves.authority_of_a_node("node1", ADDRESS)
    certs = folder.parent
    signing.make(folder / "authority" / "drivers", other, certs / "ca")


@pytest.mark.parametrize("damage", [break_key, cut_off, remove, change_authority])
def test_what_is_broken_or_of_a_former_authority_is_made_anew(
    node1: Renewal, certs: Path, damage: Callable[[Path], None]
) -> None:
    damage(certs / "node1")
    assert node1.look()
    assert all(leaf.is_good() for leaf in leaves_of(certs))
    Tls(Certificates.within(certs / "node1"))


def test_a_certificate_belongs_to_whom_its_folder_does_and_follows_no_link(
    node1: Renewal, certs: Path, tmp_path: Path
) -> None:
    """etcd's user may write to the folder of its certificates; the daemon is root."""
    member, victim = certs / "node1" / "member", tmp_path / "victim"
    shutil.chown(member, NOBODY, NOBODY)
    victim.write_text("kept")
    (member / "key.pem").unlink()
    (member / "key.pem").symlink_to(victim)
    assert node1.look()
    assert victim.read_text() == "kept"
    for name in ("ca.pem", "cert.pem", "key.pem"):
        status = (member / name).lstat()
        assert (status.st_uid, status.st_gid, oct(status.st_mode)) == (NOBODY, NOBODY, "0o100600")


def test_a_certificate_that_cannot_be_made_anew_is_a_problem_and_stays(
    node1: Renewal, certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_ending(certs, 19 * DAY_SECONDS, monkeypatch, "driver")
    key = certs / "node1" / "authority" / "drivers" / "key.pem"
    key.write_text("cut off")
    before = content(certs)
    assert not node1.look()
    assert content(certs) == before
    failed, soon = node1.problems()
    assert failed.startswith(
        "the certificate of the driver could not be made anew: `openssl ca` failed"
    )
    assert soon.startswith("the certificate of the driver ends at 20")


def test_certificates_that_others_made_are_only_watched(
    certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_ending(certs, 1, monkeypatch, "driver")
    shutil.rmtree(certs / "node1" / "authority")
    before = content(certs)
    node1 = of_node1(certs)
    eventually_true(
        lambda: [node1.look(), *node1.problems()],
        lambda found: any("the driver ended at 20" in str(each) for each in found),
        what="the problem",
        within=10,
    )
    assert "put another in its place" in node1.problems()[0]
    assert content(certs) == before


def test_an_authority_that_ends_is_told_three_months_before(
    certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaves, "AUTHORITY_SECONDS", 90 * DAY_SECONDS)
    change_authority(certs / "node1")
    node1 = of_node1(certs)
    node1.look()
    [problem] = [each for each in node1.problems() if "node's authority" in each]
    assert problem.endswith("type `make up` where the nodes are set up from")


def test_expired_certificates_are_made_anew_before_a_daemon_starts(
    node1: Renewal, certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_ending(certs, -60, monkeypatch)
    assert node1.look()
    assert node1.problems() == []
