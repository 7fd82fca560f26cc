"""What node.sh does with the certificates that a node gets: by its own function, elsewhere."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from flocker.certificates import leaves
from host import ROOT

pytestmark = pytest.mark.contract

NODES = ("node1=127.0.0.1", "node2=127.0.0.2")
# node.sh without its last line, which runs all of it.
INSTALL = """set -euo pipefail
source <(sed '$d; s|^source=/vagrant|source=.|' provision/node.sh)
root={root}
uploaded=$root/uploaded certs=$root/certs member_certs=$root/member engine_certs=$root/engine
due=$root/due
mkdir -p $due
install_certificates
"""


class Node:
    """node1: what was made for it, and what it has."""

    def __init__(self, folder: Path) -> None:
        self._made = folder / "made"
        self.root = folder / "node"
        self.root.mkdir()
        self.make()

    def make(self) -> None:
        """Make what is missing, on the machine that nodes are set up from."""
        make = [ROOT / "provision" / "certificates", self._made, *NODES]
        subprocess.run(make, check=True, timeout=60)

    def lose(self, path: str) -> None:
        """Remove a file or a folder of what was made."""
        gone = self._made / path
        if gone.is_dir():
            shutil.rmtree(gone)
        else:
            gone.unlink()

    def install(self, members: str = NODES[0]) -> set[str]:
        """Run what node.sh does; the units that have to be restarted for it."""
        shutil.copytree(self._made / "node1", self.root / "uploaded")
        script = INSTALL.format(root=self.root)
        done = subprocess.run(
            ["bash", "-c", script, "node.sh", "node1", "127.0.0.1", members],
            cwd=ROOT, check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert not (self.root / "uploaded").exists()
        units = {path.name for path in (self.root / "due").iterdir()}
        shutil.rmtree(self.root / "due")
        return units

    def content(self) -> dict[str, bytes]:
        files = (path for path in self.root.rglob("*.pem") if "engine" not in path.parts)
        return {str(path.relative_to(self.root)): path.read_bytes() for path in files}

    def are_good(self) -> bool:
        return all(
            leaf.is_good() for leaf in leaves.leaves(self.root / "certs", self.root / "member")
        )


@pytest.fixture
def node1(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_each_key_is_for_one_user_only(node1: Node) -> None:
    assert {"etcd", "flocker"} <= node1.install()
    files = [*node1.root.rglob("*.pem"), *node1.root.rglob("*.crl")]
    assert node1.root / "member" / leaves.REFUSED in files
    for path in [node1.root / "certs", node1.root / "member", *files]:
        user = "etcd" if "member" in path.parts else "root"
        assert (path.name, path.owner(), path.group()) == (path.name, user, user)
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)
    assert node1.are_good()


def test_a_node_without_a_member_of_etcd_gets_no_certificate_for_one(node1: Node) -> None:
    assert "etcd" not in node1.install(members=NODES[1])
    assert not (node1.root / "member").exists()


def test_what_a_node_made_itself_stays(node1: Node) -> None:
    node1.install()
    for leaf in leaves.leaves(node1.root / "certs", node1.root / "member"):
        leaf.make("node1", "127.0.0.1")
    node1.lose("node1/key.pem")
    node1.make()
    before = node1.content()
    assert node1.install() == set()
    assert node1.content() == before


@pytest.mark.parametrize(
    ("authority", "restarted"),
    [("ca", set()), ("etcd-ca", {"etcd"}), ("node1/authority", {"etcd"})],
)
def test_with_other_authorities_all_is_replaced_and_no_more_restarted_than_has_to_be(
    node1: Node, authority: str, restarted: set[str]
) -> None:
    node1.install()
    node1.lose(authority)
    node1.make()
    assert node1.install() - {"docker"} == {"flocker", *restarted}
    assert node1.are_good()


def test_whom_etcd_refuses_is_not_forgotten_when_a_node_is_set_up_again(node1: Node) -> None:
    node1.install()
    refused = node1.root / "member" / leaves.REFUSED
    refused.write_text("somebody")
    node1.lose("node1/authority")
    node1.make()
    node1.install()
    assert refused.read_text() == "somebody"
    refused.write_text("")
    assert node1.install() == {"etcd"}
    assert refused.stat().st_size > 0


def test_an_interrupted_installation_is_repeated(node1: Node) -> None:
    node1.install()
    (node1.root / "certs" / "authority" / "etcd" / "key.pem").unlink()
    (node1.root / "certs" / "cert.pem").write_text("cut off")
    node1.install()
    assert node1.are_good()
