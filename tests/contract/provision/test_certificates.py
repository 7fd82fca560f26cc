"""A cluster's certificates, made by the script Vagrant runs and checked by Python's own TLS."""

import ssl
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "provision" / "certificates"
NODES = ("node1=127.0.0.1", "node2=172.16.78.251")

pytestmark = pytest.mark.contract


def make(directory: Path, *nodes: str) -> None:
    subprocess.run([SCRIPT, directory, *nodes], check=True, timeout=60)


def content(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*.pem")
    }


@pytest.fixture
def certs(tmp_path: Path) -> Path:
    make(tmp_path / "certs", *NODES)
    return tmp_path / "certs"


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
    assert after["node1/cert.pem"] != before["node1/cert.pem"]
    assert after["node2/cert.pem"] == before["node2/cert.pem"]


def test_keys_are_for_their_owner_only(certs: Path) -> None:
    modes = {path.stat().st_mode & 0o777 for path in certs.rglob("key.pem")}
    assert modes == {0o600}


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
