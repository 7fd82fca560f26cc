"""A cluster's certificates, made by the program Vagrant runs and checked by Python's own TLS."""

import shutil
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flocker.certificates import leaves, signing
from flocker.certificates.leaves import Leaf
from flocker.certificates.signing import DAY_SECONDS, Wanted

SCRIPT = Path(__file__).parents[3] / "provision" / "certificates"
NODES = ("node1=127.0.0.1", "node2=172.16.78.251")

pytestmark = pytest.mark.contract


def make(directory: Path, *nodes: str) -> None:
    subprocess.run([SCRIPT, directory, *nodes], check=True, timeout=60)


def content(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*.pem")
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a cluster of two nodes; nobody changes it."""
    certs = tmp_path_factory.mktemp("made") / "certs"
    make(certs, *NODES)
    return certs


@pytest.fixture
def certs(made: Path, tmp_path: Path) -> Path:
    """A copy of it, of the test's own."""
    return Path(shutil.copytree(made, tmp_path / "certs"))


def handshake(server: Path, client: Path, server_name: str) -> None:
    """Both sides verify the other against the CA in their own directory."""
    contexts = []
    for purpose, owner in ((ssl.Purpose.CLIENT_AUTH, server), (ssl.Purpose.SERVER_AUTH, client)):
        context = ssl.create_default_context(purpose, cafile=str(owner / "ca.pem"))
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13, on the nodes, insists on it
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(owner / "cert.pem", owner / "key.pem")
        contexts.append(context)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    serving = contexts[0].wrap_bio(to_server, to_client, server_side=True)
    asking = contexts[1].wrap_bio(to_client, to_server, server_hostname=server_name)
    waiting = [asking, serving]
    while waiting:
        side = waiting.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(side)


@pytest.mark.parametrize("server_name", ["127.0.0.1", "node1", "localhost"])
@pytest.mark.parametrize("client", ["operator", "node2"])
def test_nodes_serve_their_peers_and_the_operator(
    certs: Path, client: str, server_name: str
) -> None:
    handshake(certs / "node1", certs / client, server_name)


@pytest.mark.parametrize(("folder", "role"), [("node1", "node"), ("operator", "operator")])
def test_a_certificate_says_who_has_it(certs: Path, folder: str, role: str) -> None:
    assert subject(certs / folder) == f"subject=O=flocker,OU={role},CN={folder}"


def subject(folder: Path) -> str:
    """The subject of a certificate, from its first part to its last."""
    shown = ["openssl", "x509", "-noout", "-subject", "-nameopt", "sep_comma_plus"]
    return subprocess.run(
        [*shown, "-in", folder / "cert.pem"], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_node_cannot_pretend_to_be_another(certs: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"172\.16\.78\.252"):
        handshake(certs / "node2", certs / "operator", "172.16.78.252")


def test_the_operator_cannot_pretend_to_be_a_node(certs: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="unsuitable certificate purpose"):
        handshake(certs / "operator", certs / "node1", "operator")


def test_another_clusters_certificate_is_refused(certs: Path, tmp_path: Path) -> None:
    make(tmp_path / "other", *NODES)
    with pytest.raises(ssl.SSLError, match="certificate verify failed"):
        handshake(certs / "node1", tmp_path / "other" / "operator", "node1")


def test_a_second_run_changes_nothing(certs: Path) -> None:
    before = content(certs)
    make(certs, *NODES)
    assert content(certs) == before


def test_runs_at_the_same_time_make_one_cluster(tmp_path: Path) -> None:
    start = threading.Barrier(3)

    def make_together(_: int) -> None:
        start.wait()
        make(tmp_path / "certs", *NODES)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(make_together, range(3)))
    handshake(tmp_path / "certs" / "node1", tmp_path / "certs" / "operator", "node1")


def test_what_is_missing_or_broken_is_made_again_and_the_rest_kept(certs: Path) -> None:
    before = content(certs)
    (certs / "node1" / "cert.pem").write_text("cut off")
    (certs / "operator" / "key.pem").unlink()
    make(certs, *NODES)
    after = content(certs)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {
        "node1/cert.pem", "node1/key.pem", "operator/cert.pem", "operator/key.pem",
    }  # fmt: skip
    handshake(certs / "node1", certs / "operator", "node1")


def test_a_node_with_another_address_gets_another_certificate(certs: Path) -> None:
    before = content(certs)
    make(certs, "node1=172.16.78.250", NODES[1])
    after = content(certs)
    kept = {name for name in after if after[name] == before[name]}
    assert {
        name for name in kept if name.startswith("node1/") and not name.endswith("ca.pem")
    } == set()
    assert {name for name in before if not name.startswith("node1/")} <= kept
    handshake(certs / "node1", certs / "node2", "172.16.78.250")
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        handshake(made_by(certs / "node1", address="127.0.0.2"), certs / "node2", "127.0.0.2")


def test_everything_is_for_its_owner_only(certs: Path) -> None:
    modes = {path.stat().st_mode & 0o777 for path in certs.rglob("*.pem")}
    assert modes == {0o600}
    assert {path.stat().st_mode & 0o777 for path in certs.rglob("*") if path.is_dir()} == {0o700}


def made_by(
    certs: Path, name: str = "node1", address: str = "127.0.0.1", role: str = "node"
) -> Path:
    """A driver's certificate that the authorities of a node have made, whether they may or not."""
    folder = certs.with_name(f"made-by-{certs.name}")
    folder.mkdir()
    names = leaves.NAMES.format(name=name, address=address)
    extensions = leaves.LEAF.format(usage="serverAuth, clientAuth") + names
    wanted = Wanted(role, name, extensions, leaves.LEAF_SECONDS)
    signing.make(folder, wanted, certs / "authority" / "drivers")
    return folder


def test_a_nodes_authority_makes_certificates_of_that_node(certs: Path) -> None:
    handshake(made_by(certs / "node1"), certs / "operator", "node1")
    handshake(certs / "node1", made_by(certs / "node2", "node2", "172.16.78.251"), "node1")


@pytest.mark.parametrize(
    "stolen",
    [
        {"name": "node2"},
        {"address": "172.16.78.251"},
        {"role": "operator"},
        {"role": "monitor"},
        {"role": "authority"},
    ],
)
def test_a_nodes_authority_signs_for_nothing_else(certs: Path, stolen: dict[str, str]) -> None:
    made = made_by(certs / "node1", **stolen)
    with pytest.raises(ssl.SSLError, match="certificate verify failed"):
        handshake(certs / "node2", made, "node2")
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        handshake(made, certs / "node2", stolen.get("address", stolen.get("name", "node1")))


def test_a_nodes_authority_is_no_node(certs: Path) -> None:
    own = certs / "node1" / "authority" / "drivers"
    with pytest.raises(ssl.SSLError, match="unsuitable certificate purpose"):
        handshake(own, certs / "node2", "node1")


@pytest.mark.parametrize("authority", ["node1", "node2"])
def test_another_authority_below_a_nodes_signs_for_no_other_node(
    certs: Path, authority: str
) -> None:
    own = certs / "node1" / "authority" / "drivers"
    other = certs / "made-authority"
    other.mkdir()
    signing.make(other, leaves.authority_of_a_node(authority, "172.16.78.251"), own)
    leaf = Leaf("driver", certs / "made-leaf", other, is_server=True)
    leaf.folder.mkdir()
    leaf.make("node2", "172.16.78.251")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"permitted subtree violation|path len"):
        handshake(leaf.folder, certs / "node2", "node2")


@pytest.mark.parametrize("folder", ["etcd", "member"])
def test_a_certificate_for_etcd_is_none_for_drivers(certs: Path, folder: str) -> None:
    with pytest.raises(ssl.SSLError):
        handshake(certs / "node2", certs / "node1" / folder, "node2")


def test_what_is_not_an_authority_lasts_90_days_at_most(certs: Path) -> None:
    monitor(certs, "prometheus")
    short = {"node1", "node1/etcd", "node1/member", "node2", "operator", "monitors/prometheus"}
    for folder in short:
        cert = certs / folder / "cert.pem"
        left = signing.ends(cert) - time.time()
        assert left < (90 - 1) * DAY_SECONDS
        assert left > 88 * DAY_SECONDS
        assert begins(cert) < time.time() - DAY_SECONDS + 600


def begins(cert: Path) -> float:
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-startdate", "-in", cert],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return float(ssl.cert_time_to_seconds(shown.strip().removeprefix("notBefore=")))


def test_what_ends_within_a_month_is_made_again(
    certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaves, "LEAF_SECONDS", 30 * DAY_SECONDS)
    [driver, *_] = leaves.leaves(certs / "node1", certs / "node1" / "member")
    driver.make("node1", "127.0.0.1")
    before = content(certs)
    make(certs, *NODES)
    after = content(certs)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"node1/cert.pem", "node1/key.pem"}


def monitor(certs: Path, name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, certs, "--monitor", name], check=False, capture_output=True, text=True, timeout=60
    )


def test_one_command_makes_a_monitors_certificate(certs: Path) -> None:
    done = monitor(certs, "prometheus")
    folder = certs / "monitors" / "prometheus"
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{folder}\n", "")
    assert subject(folder) == "subject=O=flocker,OU=monitor,CN=prometheus"
    handshake(certs / "node1", folder, "node1")
    with pytest.raises(ssl.SSLCertVerificationError, match="unsuitable certificate purpose"):
        handshake(folder, certs / "node1", "prometheus")
    before = content(certs)
    assert monitor(certs, "prometheus").returncode == 0
    assert content(certs) == before


@pytest.mark.parametrize("name", ["../node1", "two words", "", "-x", "a/b", "$HOME", "x" * 64])
def test_a_name_that_cannot_be_one_is_refused(certs: Path, name: str) -> None:
    before = content(certs)
    done = monitor(certs, name)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be a name" in done.stderr
    assert content(certs) == before


@pytest.mark.parametrize(
    "nodes", [["ca=127.0.0.1"], ["node1=here"], ["node1"], ["node1=127.0.0.1", "Node1=127.0.0.2"]]
)
def test_nodes_that_cannot_be_are_refused(tmp_path: Path, nodes: list[str]) -> None:
    done = subprocess.run(
        [SCRIPT, tmp_path / "certs", *nodes], check=False, capture_output=True, timeout=60
    )
    assert done.returncode == 2
    assert not (tmp_path / "certs").exists()


def test_a_monitor_needs_a_cluster(tmp_path: Path) -> None:
    done = monitor(tmp_path / "servers.certs", "prometheus")
    assert done.returncode == 2
    assert "type `make up` first" in done.stderr
    assert not (tmp_path / "servers.certs").exists()


def test_the_size_is_told_only_of_a_whole_set(certs: Path, tmp_path: Path) -> None:
    assert (certs / "size").read_text() == "2\n"
    blocked = tmp_path / "blocked"
    (blocked / "operator").mkdir(parents=True)
    (blocked / "operator" / "key.pem").mkdir()  # openssl cannot write here
    done = subprocess.run([SCRIPT, blocked, *NODES], check=False, capture_output=True, timeout=60)
    assert done.returncode != 0
    assert (blocked / "node2" / "cert.pem").exists()
    assert not (blocked / "size").exists()


def test_without_nodes_it_says_how_it_is_called(tmp_path: Path) -> None:
    done = subprocess.run([SCRIPT, tmp_path], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("usage:")


def change(certs: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, certs, "--change-authorities"],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def has_one_authority(certs: Path) -> bool:
    files = [certs / name for name in ("ca/ca.pem", "etcd-ca/ca.pem", "node1/member/ca.pem")]
    return {file.read_text().count("BEGIN CERTIFICATE") for file in files} == {1}


def test_nodes_believe_each_other_during_each_step_to_new_authorities(
    certs: Path, tmp_path: Path
) -> None:
    first = Path(shutil.copytree(certs, tmp_path / "first"))
    for step in (1, 2, 3):
        before = Path(shutil.copytree(certs, tmp_path / f"before-{step}"))
        done = change(certs)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"step {step} of 3: all nodes are going to ")
        make(certs, *NODES)
        for folder in ("", "member"):
            handshake(certs / "node1" / folder, before / "node2" / folder, "node1")
            handshake(before / "node1" / folder, certs / "node2" / folder, "node1")
        handshake(certs / "node1" / "member", before / "node2" / "etcd", "node1")
        handshake(before / "node1", certs / "operator", "node1")
        handshake(certs / "node1", before / "operator", "node1")
    assert has_one_authority(certs)
    with pytest.raises(ssl.SSLError, match="certificate verify failed"):
        handshake(certs / "node1", first / "operator", "node1")
    with pytest.raises(ssl.SSLError, match="certificate verify failed"):
        handshake(certs / "node1" / "member", first / "node2" / "etcd", "node1")
    after = content(certs)
    make(certs, *NODES)
    assert content(certs) == after


def test_the_next_step_waits_until_nodes_have_the_one_before(certs: Path) -> None:
    assert change(certs).returncode == 0
    before = content(certs)
    done = change(certs)
    assert (done.returncode, done.stdout) == (2, "")
    assert "type `make up`, and when it has ended well this again" in done.stderr
    assert content(certs) == before


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_step_that_was_interrupted_is_made_whole(certs: Path, tmp_path: Path, step: int) -> None:
    for _ in range(1, step):
        assert change(certs).returncode == 0
        make(certs, *NODES)
    before = Path(shutil.copytree(certs / "etcd-ca", tmp_path / "etcd-ca"))
    assert change(certs).returncode == 0
    shutil.rmtree(certs / "etcd-ca")
    before.rename(certs / "etcd-ca")  # it was done with the other one only
    assert change(certs).stdout.startswith(f"step {step} of 3")
    make(certs, *NODES)
    following = step % 3 + 1
    assert change(certs).stdout.startswith(f"step {following} of 3")


def test_monitors_change_authorities_with_the_nodes(certs: Path) -> None:
    monitor(certs, "prometheus")
    folder = certs / "monitors" / "prometheus"
    for _ in range(3):
        done = change(certs)
        assert f"{folder} is new, too: put it where the monitor is\n" in done.stdout
        make(certs, *NODES)
        handshake(certs / "node1", folder, "node1")


def test_an_authority_that_ends_is_not_changed_at_once(
    certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaves, "AUTHORITY_SECONDS", 60 * DAY_SECONDS)
    signing.make(certs / "ca", leaves.root("volume-plugins-demo"), None)
    before = content(certs / "ca")
    make(certs, *NODES)
    assert content(certs / "ca") == before


def test_without_a_cluster_no_authorities_are_changed(tmp_path: Path) -> None:
    done = change(tmp_path / "servers.certs")
    assert done.returncode == 2
    assert "type `make up` first" in done.stderr
    assert not (tmp_path / "servers.certs").exists()
