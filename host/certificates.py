"""Makes what is missing of a cluster's certificates, on the machine that nodes are set up from.

DIRECTORY/ca/, etcd-ca/         the cluster's authorities; their keys stay here
    next/                       the one that comes after it, while they are changed
DIRECTORY/<node>/               for one node, which keeps all but `member` in one folder
    ca.pem cert.pem key.pem     its driver's first certificate
    etcd/                       the driver's, for etcd
    member/                     of its etcd, with an empty list of whom that refuses
    authority/drivers, .../etcd its own authorities, by which it renews the three above
DIRECTORY/operator/             for who calls drivers from this machine
DIRECTORY/monitors/<name>/      for who may only watch
DIRECTORY/size                  the number of nodes, written once all of the above is there
"""

from __future__ import annotations

import fcntl
import re
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from flocker.base import private
from flocker.certificates import leaves, signing
from flocker.certificates.signing import SigningFailed, Wanted
from host.authorities import NotYet, Step, change

USAGE = """usage: certificates DIRECTORY NODE=ADDRESS...
       certificates DIRECTORY --monitor NAME
       certificates DIRECTORY --change-authorities"""
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
CLUSTER = "volume-plugins-demo"
AUTHORITY_LEFT_SECONDS = 2 * leaves.LEAF_SECONDS


class Mistake(Exception):
    """It was called wrongly; the message says how."""


def main(arguments: Sequence[str]) -> int:
    """Make what is asked for; the exit status. Safe to repeat, and to run several times at once."""
    try:
        if len(arguments) == 3 and arguments[1] == "--monitor":
            make_monitor(Path(arguments[0]).absolute(), arguments[2])
        elif len(arguments) == 2 and arguments[1] == "--change-authorities":
            change_authorities(Path(arguments[0]).absolute())
        elif len(arguments) >= 2 and not arguments[1].startswith("-"):
            make_cluster(Path(arguments[0]).absolute(), _nodes(arguments[1:]))
        else:
            raise Mistake(USAGE)
    except Mistake as error:
        print(error, file=sys.stderr)
        return 2
    except (SigningFailed, OSError) as error:
        print(f"certificates: {error}", file=sys.stderr)
        return 1
    return 0


def make_cluster(directory: Path, nodes: dict[str, str]) -> None:
    """Make what is missing or ends soon, of the cluster and of these nodes: name -> address."""
    with _alone(directory):
        for folder, wanted in _roots(directory).items():
            # One that ends is changed in steps; a new one at once would part node from node.
            if not all((folder / f"{part}.pem").exists() for part in ("key", "cert", "ca")):
                _create(folder, wanted, None)
        for name, address in nodes.items():
            _make_node(directory, name, address)
        operator = leaves.of_a_person(leaves.OPERATOR, "operator")
        _ensure(directory / "operator", operator, directory / "ca", leaves.RENEW_SECONDS)
        private.write_together(directory, {"size": f"{len(nodes)}\n"})


def make_monitor(directory: Path, name: str) -> None:
    """Make a certificate for who may only watch, or renew it; say where it is.

    Raises:
        Mistake: the name cannot be one, or there is no cluster.
    """
    _check(name)
    if not (directory / "size").exists():
        raise Mistake(f"{directory} has no certificates of a cluster; type `make up` first")
    with _alone(directory):
        print(_ensure_monitor(directory, name))


def change_authorities(directory: Path) -> None:
    """Go one of three steps from the cluster's authorities to new ones; say what comes next.

    Raises:
        Mistake: there is no cluster, or its nodes do not have the step before.
    """
    if not (directory / "size").exists():
        raise Mistake(f"{directory} has no certificates of a cluster; type `make up` first")
    with _alone(directory):
        nodes = {each.parent for each in directory.glob("*/address")}
        authorities = {
            folder: (wanted, [node / "authority" / KINDS[folder.name] for node in nodes])
            for folder, wanted in _roots(directory).items()
        }
        try:
            step = change(authorities)
        except NotYet as error:
            raise Mistake(
                f"{error}; type `make up`, and when it has ended well this again"
            ) from error
        monitors = [
            _ensure_monitor(directory, each.name)
            for each in sorted((directory / "monitors").glob("*"))
        ]
    print(f"step {step} of {len(Step)}: {SAID[step]}")
    for folder in monitors:
        print(f"{folder} is new, too: put it where the monitor is")
    again = "" if step == Step.DROP else ", and when it has ended well this again"
    print(f"type `make up`{again}")


SAID = {
    Step.TRUST: "all nodes are going to trust the new authorities too",
    Step.SIGN: "all nodes are going to have certificates of the new authorities",
    Step.DROP: "all nodes are going to trust the new authorities only",
}
KINDS = {"ca": "drivers", "etcd-ca": "etcd"}  # by which a node's folder calls the authorities


def _roots(directory: Path) -> dict[Path, Wanted]:
    """The folders of the cluster's authorities, and what is made for one that is new."""
    # Of two with one name, the wrong one may be taken for the signer.
    name = f"{CLUSTER}-{secrets.token_hex(4)}"
    return {
        directory / "ca": leaves.root(name),
        directory / "etcd-ca": leaves.root(f"{name}-etcd"),
    }


def _ensure_monitor(directory: Path, name: str) -> Path:
    folder = directory / "monitors" / name
    wanted = leaves.of_a_person(leaves.MONITOR, name)
    _ensure(folder, wanted, directory / "ca", leaves.RENEW_SECONDS)
    return folder


def _make_node(directory: Path, name: str, address: str) -> None:
    certs = directory / name
    wanted = leaves.authority_of_a_node(name, address)
    authorities = {kind: directory / root for root, kind in KINDS.items()}
    # A node with another address needs another authority: the old one may not sign for it.
    is_moved = _address(certs) != address
    for kind, issuer in authorities.items():
        folder = certs / "authority" / kind
        if is_moved:
            _create(folder, wanted, issuer)
        else:
            _ensure(folder, wanted, issuer, AUTHORITY_LEFT_SECONDS)
    for leaf in leaves.leaves(certs, certs / "member"):
        if is_moved or not leaf.is_good():
            _make_folder(leaf.folder)
            leaf.make(name, address)
    if not (certs / "member" / leaves.REFUSED).exists():
        nobody = signing.revocations([], certs / "authority" / "etcd")
        private.write_together(certs / "member", {leaves.REFUSED: nobody})
    private.write_together(certs, {"address": f"{address}\n"})


def _ensure(folder: Path, wanted: Wanted, issuer: Path, left_seconds: float) -> None:
    if not signing.is_good(folder, issuer, left_seconds):
        _create(folder, wanted, issuer)


def _create(folder: Path, wanted: Wanted, issuer: Path | None) -> None:
    _make_folder(folder)
    signing.make(folder, wanted, issuer)


def _make_folder(folder: Path) -> None:
    for each in (*reversed(folder.parents), folder):
        each.mkdir(mode=0o700, exist_ok=True)


def _address(certs: Path) -> str | None:
    """The address that a node's certificates were made for; None: they are not whole."""
    try:
        return (certs / "address").read_text().strip()
    except FileNotFoundError:
        return None


def _nodes(pairs: Sequence[str]) -> dict[str, str]:
    nodes = {}
    for pair in pairs:
        name, _, address = pair.partition("=")
        _check(name)
        try:
            nodes[name] = str(IPv4Address(address))
        except AddressValueError as error:
            raise Mistake(f"'{pair}' is no NODE=ADDRESS: {error}") from error
    # For certificates, upper and lower case are the same.
    if len({name.lower() for name in nodes}) < len(pairs):
        raise Mistake(f"two nodes of {' '.join(pairs)} have the same name")
    return nodes


def _check(name: str) -> None:
    if not NAME.fullmatch(name):
        raise Mistake(f"'{name}' cannot be a name: letters, digits and - are allowed, 63 at most")
    if name.lower() in RESERVED:
        raise Mistake(f"'{name}' cannot be a name: the folder of that name is for something else")


RESERVED = ("app", "ca", "ceph", "etcd-ca", "operator", "monitors", "size", "lock")


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Wait until no other process makes certificates: Vagrant asks once per node, at once."""
    _make_folder(directory)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
