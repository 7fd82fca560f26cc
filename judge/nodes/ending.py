"""The end of a run, when no fault is on any more: everything is looked at, and nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from acceptance.base.waiting import NeverCame, eventually
from acceptance.cluster.cluster import Cluster
from acceptance.cluster.pool_check import POOL, check_is_clean
from acceptance.nodes.node import Node
from acceptance.operator import Operator
from judge.clients.cluster import Refused, Request, Unanswered
from judge.history import Action, Checked, Defect, Leaked, Outcome, Place, Read, Settled, Volume
from judge.nodes.cluster import Nodes
from judge.nodes.wellness import unforeseen, unwell
from judge.recorder import Recorder

WELL_SECONDS = 90
REQUEST_SECONDS = 180  # for which a request is repeated; it counts as stuck long before
CLIENT = "end"
RESCUED = "soak-rescued"
UNITS = ("flocker", "flocker-fence")


class Ending:
    """Looks at everything, and notes what it sees.

    Args:
        began: when the run did, in seconds since 1970.
    """

    def __init__(
        self,
        cluster: Cluster,
        nodes: Nodes,
        recorder: Recorder,
        volumes: Sequence[Volume],
        began: float,
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._recorder = recorder
        self._volumes = [volume.name for volume in volumes]
        self._copied = [each.name for each in volumes if each.options.get("replicas") != "0"]
        self._began = began
        self._first = nodes.nodes[0]

    def look(self) -> None:
        """Stop all containers, see each volume on each node, and everything that is kept of it."""
        for volume in self._volumes:
            for node in self._nodes.nodes:
                self._done(Request(action=Action.STOP, node=node, volume=volume))
        self._nodes.note_lost()
        self._recorder.note(Settled(at=self._recorder.now()))
        for volume in self._volumes:
            for node in self._nodes.nodes:
                self._repeat(partial(self._recorder.read, CLIENT, self._nodes, node, volume))
        self._read_asides()
        self._read_snapshots()
        self._check_nodes()
        for node in self._nodes.nodes:
            self._recorder.note(*self._nodes.sample(node))

    def clear(self) -> None:
        """Remove all of the run, and note what stays."""
        ids = [each["id"] for each in self._nodes.ask(self._first, "status")["volumes"]]
        for volume in self._volumes:
            self._done(Request(action=Action.REMOVE, node=self._first, volume=volume))
        self._expect_nothing("in the trash", self._first, self._purge)
        for node in self._cluster.nodes:
            self._expect_nothing("in the pool", node.name, partial(_folders, node, ids))
            self._expect_nothing("in the engine", node.name, partial(_things, node))

    def _done(self, request: Request) -> None:
        self._repeat(partial(self._recorder.do, CLIENT, self._nodes, request))

    def _repeat(self, ask: Callable[[], object]) -> None:
        """Ask until it is done; the judge says what it thinks of refusals."""
        with suppress(NeverCame):
            eventually(
                lambda: getattr(ask(), "outcome", None), is_=Outcome.DONE, within=REQUEST_SECONDS
            )

    def _read_asides(self) -> None:
        conflicts = self._nodes.ask(self._first, "conflicts")
        self._check(self._first, "conflicts", ", ".join(conflicts["silent"]))
        for each in conflicts["asides"]:
            is_of_run = self._nodes.clock.of_wall(each["at"]) >= 0  # not an earlier volume's
            if each["volume"] in self._volumes and is_of_run:
                self._read_kept(each["volume"], each["node"], each["reference"], Place.COPY)

    def _read_snapshots(self) -> None:
        for each in self._nodes.ask(self._first, "snapshots")["snapshots"]:
            if each["volume"] in self._volumes:
                reference = f"{each['volume']}@{each['number']}"
                self._read_kept(each["volume"], self._first, reference, Place.SNAPSHOT)

    def _read_kept(self, volume: str, node: str, reference: str, place: Place) -> None:
        """Have a snapshot or a copy as a volume for a moment, and read that."""
        began = self._recorder.now()
        try:
            self._nodes.type(node, f"sudo flocker clone {reference} {RESCUED}")
            content = self._nodes.read(node, RESCUED)
        except (Refused, Unanswered) as error:
            self._check(node, f"{reference} can be read", str(error), volume)
            return
        finally:
            with suppress(Refused, Unanswered):
                self._nodes.type(node, f"docker volume rm {RESCUED}")
        self._recorder.note(
            Read(
                at=self._recorder.now(), began=began, node=node, volume=volume, place=place,
                reference=reference, seen=content.seen, damaged=content.damaged,
            )
        )  # fmt: skip

    def _check_nodes(self) -> None:
        operator = Operator(self._cluster)
        for node in self._cluster.nodes:
            self._check(node.name, "status", _never(partial(_unwell, node)))
            health = operator.ask_driver(node.name, "health", role="operator")
            self._check(node.name, "health", health.output if health.exit_status else "")
            self._check(node.name, "pool", _damage(node))
            self._note_defects(node)
        for volume in self._copied:
            request = partial(self._nodes.type, self._first, f"sudo flocker verify {volume}")
            self._check(self._first, "verify", _refusal(request), volume)

    def _note_defects(self, node: Node) -> None:
        for unit in UNITS:
            journal = node.run(
                f"sudo journalctl --quiet --no-pager -o cat -u {unit} --since @{self._began:.0f}"
            )
            for each in unforeseen(journal):
                message = f"{unit}: {each}"
                self._recorder.note(
                    Defect(at=self._recorder.now(), node=node.name, message=message)
                )

    def _check(self, node: str, what: str, wrong: str, volume: str = "") -> None:
        self._recorder.note(
            Checked(
                at=self._recorder.now(), node=node, what=what, is_well=not wrong,
                volume=volume, message=wrong,
            )
        )  # fmt: skip

    def _expect_nothing(self, where: str, node: str, look: Callable[[], list[str]]) -> None:
        if left := _never(look):
            self._recorder.note(
                Leaked(at=self._recorder.now(), node=node, what=f"something {where}", message=left)
            )

    def _purge(self) -> list[str]:
        """Purge what was removed or put aside; what there was."""
        trash = self._nodes.ask(self._first, "trash")
        ours = {*self._volumes, RESCUED}
        removed = {each["name"] for each in trash["removed"]} & ours
        asides = {each["reference"] for each in trash["asides"] if each["volume"] in ours}
        for each in sorted(removed | asides):
            with suppress(Refused, Unanswered):
                self._nodes.type(self._first, f"sudo flocker purge {each}")
        return sorted(removed | asides)


def _never(look: Callable[[], list[str]]) -> str:
    """Wait until nothing is found; what there still is in the end."""
    try:
        eventually(look, is_=[], within=WELL_SECONDS)
    except NeverCame as error:
        return str(error)
    return ""


def _refusal(work: Callable[[], object]) -> str:
    try:
        work()
    except (Refused, Unanswered) as error:
        return str(error)
    return ""


def _damage(node: Node) -> str:
    try:
        check_is_clean(node)
    except AssertionError as error:
        return str(error)
    return ""


def _unwell(node: Node) -> list[str]:
    return unwell(node.flocker("status"))


def _folders(node: Node, ids: Sequence[str]) -> list[str]:
    """The volumes' folders in the pool of a node."""
    names = node.run(f"sudo ls {POOL}/volumes {POOL}/trash").split()
    return [name for name in names if name.startswith(tuple(ids))]


def _things(node: Node) -> list[str]:
    return sorted(str(thing) for thing in node.things() if thing.kind != "network")
