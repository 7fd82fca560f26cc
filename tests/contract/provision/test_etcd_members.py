"""New nodes join an etcd that has records: by the functions of node.sh, with real members."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base import private
from flocker.certificates import leaves, signing
from host import ROOT

pytestmark = pytest.mark.contract

ADDRESSES = {f"node{number}": f"203.0.113.{number}" for number in (1, 2, 3)}
MEMBERS = [f"{name}={address}" for name, address in ADDRESSES.items()]
READ = """set -euo pipefail
quorum_seconds=60
. provision/etcd-members.sh
settings() { etcd_settings "$@" >$etcd_data.settings; }
"""
START = """(set -a; . $etcd_data.settings; exec setsid etcd >>$etcd_data.log 2>&1 </dev/null) &
echo $! >$etcd_data.pid
"""
JOIN = f"""join_etcd
settings "$(present_members)" existing
{START}
give_vote yes
"""


class Network:
    """A network namespace: a server's, or the one with the bridge between them."""

    def __init__(self) -> None:
        self._keeper = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == "ready\n"
        self.pid = self._keeper.pid

    def ip(self, command: str) -> None:
        subprocess.run([*self.enter(), "ip", *command.split()], check=True)

    def enter(self) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net"]

    def end(self) -> None:
        self._keeper.communicate()


class Server:
    """One of three servers, each with a network of its own."""

    def __init__(
        self, network: Network, folder: Path, name: str, address: str, members: list[str]
    ) -> None:
        self._network = network
        self._data = folder / name
        self._settings = {
            "name": name,
            "address": address,
            "members": ",".join(members),
            "certs": str(folder / "certs" / name),
            "member_certs": str(folder / "certs" / name / "member"),
            "etcd_data": str(self._data),
        }

    def run(self, script: str, **changed: str) -> str:
        """What a script printed that has to succeed, in which node.sh's functions are known."""
        done = subprocess.run(
            [*self._network.enter(), "bash", "-c", READ + script],
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
            env={"PATH": os.environ["PATH"], **self._settings, **changed},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def etcdctl(self, *command: str) -> str:
        folder = "$certs/etcd"
        certificates = f"--cacert={folder}/ca.pem --cert={folder}/cert.pem --key={folder}/key.pem"
        # The others choose a leader when one has ended, which takes seconds on a busy machine.
        options = f"--endpoints=https://$address:2379 --command-timeout=60s {certificates}"
        return self.run(f"etcdctl {options} {' '.join(command)}")

    def members(self) -> list[str]:
        """Name, status and whether it is without a vote, of each member."""
        listed = (line.split(", ") for line in self.etcdctl("member", "list").splitlines())
        return sorted(f"{each[2]} {each[1]} {each[5]}" for each in listed)

    def refuse(self, other: Server) -> None:
        """Do what the driver does once another node was retired."""
        authority = Path(other._settings["certs"]) / "authority" / "etcd"
        serial = signing.serial(authority / "cert.pem")
        made = signing.revocations([serial], Path(self._settings["certs"]) / "authority" / "etcd")
        private.write_together(Path(self._settings["member_certs"]), {leaves.REFUSED: made})

    def signal(self, number: signal.Signals) -> None:
        """Send its etcd a signal."""
        os.kill(int(Path(f"{self._data}.pid").read_text()), number)

    def end(self) -> None:
        """Its power is cut."""
        with suppress(FileNotFoundError, ProcessLookupError):
            self.signal(signal.SIGKILL)


@pytest.fixture
def networks() -> Iterator[list[Network]]:
    """One for each server; they reach each other by a bridge, which is nobody else's."""
    between, *networks = (Network() for _ in range(len(ADDRESSES) + 1))
    between.ip("link add name bridge up type bridge")
    for network, (name, address) in zip(networks, ADDRESSES.items(), strict=True):
        between.ip(f"link add {name} up master bridge type veth peer eth0 netns {network.pid}")
        network.ip(f"address add {address}/24 dev eth0")
        network.ip("link set eth0 up")
    yield networks
    for network in (*networks, between):
        network.end()


@pytest.fixture
def servers(networks: list[Network], tmp_path: Path) -> Iterator[list[Server]]:
    """Three servers; on the first one runs an etcd of one member, which has a record."""
    certificates = [ROOT / "provision" / "certificates", tmp_path / "certs", *MEMBERS]
    subprocess.run(certificates, check=True)
    servers = [
        Server(network, tmp_path, name, address, MEMBERS)
        for network, (name, address) in zip(networks, ADDRESSES.items(), strict=True)
    ]
    try:
        alone = f'settings "$(first_members)" new\n{START}'
        servers[0].run(alone, members=MEMBERS[0])
        eventually(lambda: _succeeds(servers[0], "put", "demo", "kept"), is_=True, within=30)
        yield servers
    finally:
        for each in servers:
            each.end()


def _succeeds(server: Server, *command: str) -> bool:
    try:
        server.etcdctl(*command)
    except AssertionError:
        return False
    return True


@pytest.fixture
def writes(servers: list[Server]) -> Iterator[list[bool]]:
    """Somebody writes through the first server all the time: whether each write succeeded."""
    done, written = threading.Event(), [True]

    def write() -> None:
        while not done.wait(0.1):
            written.append(_succeeds(servers[0], "--command-timeout=10s", "put", "now", "this"))

    thread = threading.Thread(target=write)
    thread.start()
    yield written
    done.set()
    thread.join()


VOTING = [f"{name} started false" for name in ADDRESSES]


def test_one_member_becomes_three_when_two_join_at_once(
    servers: list[Server], writes: list[bool]
) -> None:
    one, two, three = servers
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda each: each.run(JOIN), (two, three)))
    assert one.members() == VOTING
    assert all(writes)
    one.end()
    assert three.etcdctl("get", "demo", "--print-value-only") == "kept\n"
    assert _succeeds(two, "put", "demo", "changed")


def test_a_node_that_is_interrupted_while_it_joins_keeps_nobody_waiting(
    servers: list[Server], writes: list[bool]
) -> None:
    one, two, three = servers
    two.run("join_etcd")
    assert one.members() == [" unstarted true", "node1 started false"]
    writes.clear()
    eventually(lambda: len(writes) > 3, is_=True, within=30)
    for each in (two, three):
        each.run(JOIN)
    assert one.members() == VOTING
    assert all(writes)


def test_who_has_a_vote_is_given_none_and_waits_for_nobody(servers: list[Server]) -> None:
    one, two, _ = servers
    two.run(JOIN)
    two.run("give_vote no")
    one.end()
    two.run("give_vote no")  # its daemon says that there is no quorum


PEERS = (
    "curl --silent --http1.1 --fail --cacert $certs/etcd/ca.pem --cert $certs/etcd/cert.pem \\\n"
)
PEERS += "--key $certs/etcd/key.pem https://{}:2380/members"


def test_who_is_refused_reaches_neither_port_and_leads_nobody(servers: list[Server]) -> None:
    one, two, three = servers
    for each in (two, three):
        each.run(JOIN)
    ask = PEERS.format(ADDRESSES["node1"])
    assert all("node1" in each.run(ask) for each in servers)
    for each in (one, two):
        each.refuse(three)
    assert "node1" in two.run(ask)
    elsewhere = f"etcdctl_elsewhere get demo || {ask}"
    with pytest.raises(AssertionError):
        three.run(elsewhere)
    one.etcdctl("put", "demo", "changed")
    assert one.etcdctl("get", "demo", "--print-value-only") == "changed\n"


def test_a_successor_of_another_name_takes_a_retired_members_place(
    servers: list[Server], networks: list[Network], tmp_path: Path
) -> None:
    one, two, three = servers
    for each in (two, three):
        each.run(JOIN)
    three.end()
    [listed] = [line for line in one.etcdctl("member", "list").splitlines() if "node3" in line]
    one.etcdctl("member", "remove", listed.split(",")[0])  # as `flocker forget node3` does
    for each in (one, two):
        each.refuse(three)
    members = [*MEMBERS[:2], f"node4={ADDRESSES['node3']}"]
    subprocess.run([ROOT / "provision" / "certificates", tmp_path / "certs", *members], check=True)
    four = Server(networks[2], tmp_path, "node4", ADDRESSES["node3"], members)
    try:
        four.run(JOIN)
        assert one.members() == [f"{name} started false" for name in ("node1", "node2", "node4")]
        two.end()
        assert _succeeds(one, "put", "demo", "changed"), "it votes"
        assert four.etcdctl("get", "demo", "--print-value-only") == "changed\n"
    finally:
        four.end()


def test_the_refusal_of_a_member_without_a_vote_is_no_answer(servers: list[Server]) -> None:
    one, two, three = servers
    two.run(JOIN.replace("give_vote yes", ""))
    eventually(lambda: "not supported for learner" in _refusal(two), is_=True, within=30)
    with ThreadPoolExecutor() as threads:
        one.signal(signal.SIGSTOP)
        listing = threads.submit(three.run, "present_members")
        try:
            with pytest.raises(TimeoutError):
                listing.result(timeout=5)
        finally:
            one.signal(signal.SIGCONT)
        listed = listing.result(timeout=60).strip().split(",")
    assert sorted(each.partition("=")[0] for each in listed) == ["node1", "node2"]


def _refusal(server: Server) -> str:
    try:
        return server.etcdctl("member", "list")
    except AssertionError as error:
        return str(error)
