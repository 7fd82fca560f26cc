"""Keeps etcd far from its quota, and has it recover when the quota was reached.

A member whose file has reached the quota raises an alarm, and from then on etcd
refuses every write: nodes cannot announce themselves, and their fences stop
containers. Old revisions are forgotten by etcd itself within minutes
(provision/node.sh), but its file does not shrink by that, and the alarm stays.
So the node of the leader, beside whose member it runs, compacts, defragments one
member after the other, and takes the alarm back.

Source: etcd's Maintenance API (/v3/maintenance) and metrics, 3.4 and 3.5.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from dataclasses import dataclass
from typing import Any

from etcd3gw.client import Etcd3Client

from flocker.base.background import attempt
from flocker.base.config import Certificates
from flocker.base.errors import ControlPlaneAway
from flocker.base.options import about
from flocker.consensus.etcd_wire import Json, NoAnswer, ask_one, connect, voters

log = logging.getLogger(__name__)

CHECK_SECONDS = 5
ANSWER_SECONDS = 4
# A member answers nothing while it is defragmented: about a second for each 100 MB.
DEFRAGMENT_SECONDS = 120
TURN_SECONDS = 60  # another node takes over from the leader's, whose daemon may be away
ROOMY = 0.5  # of the quota; below it nothing has to be done
FULL = 0.8  # above it an alarm that is taken back would soon come again
LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Size:
    """One member's file.

    Attributes:
        db_bytes: its length, which counts against the quota.
        used_bytes: what of it is needed; the rest is freed by defragmenting.
        quota_bytes: 0 if it is not known.
        has_alarm: etcd refuses writes, because of this member or another.
    """

    db_bytes: int
    used_bytes: int
    quota_bytes: int
    has_alarm: bool

    @property
    def is_worth_defragmenting(self) -> bool:
        return self.db_bytes > ROOMY * self.quota_bytes > 0 and self.used_bytes < self.db_bytes / 2


class EtcdQuota:
    """Looks after etcd from one node; does nothing on one without a member.

    Args:
        endpoints: of all members.
        address: this node's, by which its own member is known.
    """

    def __init__(
        self, endpoints: list[str], certificates: Certificates | None, address: str
    ) -> None:
        self._members = [connect(endpoint, certificates) for endpoint in endpoints]
        own = [each for each in self._members if each.host in (address, *LOCAL)]
        self._own: Etcd3Client | None = own[0] if own else None
        self._quota_bytes = 0
        self._trouble_since: float | None = None
        self.size: Size | None = None
        self.voters: int | None = None  # as they were last known

    def start(self, stopping: threading.Event) -> None:
        """Run in the background until `stopping` is set."""
        if self._own is not None:
            threading.Thread(target=self._run, args=(stopping,), daemon=True).start()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(CHECK_SECONDS):
            attempt(log, "etcd could not be looked after", self.look)

    def problems(self) -> list[str]:
        """Problems of this node's member, for people."""
        size = self.size
        if size is None:
            return []
        amount = f"{about(size.db_bytes)} of {about(size.quota_bytes)}"
        if size.has_alarm:
            return [
                f"etcd is full ({amount}) and refuses writes until it has been compacted and "
                "defragmented; `etcdctl endpoint status --cluster` tells more"
            ]
        if size.quota_bytes and size.db_bytes > FULL * size.quota_bytes:
            return [f"etcd is nearly full: {amount}; at its quota it refuses writes"]
        return []

    def look(self) -> None:
        """Read the own member's size, and make room if that is due and this node's turn."""
        if self._own is None:
            return
        try:
            status = ask_one(self._own, "/maintenance/status", {}, ANSWER_SECONDS)
            self.size = size = self._size(self._own, status)
            self.voters = voters(ask_one(self._own, "/cluster/member/list", {}, ANSWER_SECONDS))
            if not (size.has_alarm or size.is_worth_defragmenting):
                self._trouble_since = None
            elif self._is_our_turn(status):
                self._make_room(self._own, int(status["header"]["revision"]))
        except (NoAnswer, ControlPlaneAway) as error:
            self.size = None
            log.info("etcd could not be looked after: %s", error)

    def _size(self, member: Etcd3Client, status: Json) -> Size:
        if not self._quota_bytes:
            self._quota_bytes = _quota_bytes(member)
        return Size(
            int(status.get("dbSize", 0)),
            int(status.get("dbSizeInUse", 0)),
            self._quota_bytes,
            any("NOSPACE" in each for each in status.get("errors", [])),
        )

    def _is_our_turn(self, status: Json) -> bool:
        """The leader's node is first; then the others, one after the other, should it be away."""
        if self._trouble_since is None:
            self._trouble_since = time.monotonic()
        own, leader = status["header"]["member_id"], status.get("leader", "0")
        if own == leader:
            return True
        assert self._own is not None
        answer = ask_one(self._own, "/cluster/member/list", {}, ANSWER_SECONDS)
        others = sorted(each["ID"] for each in answer["members"] if each["ID"] != leader)
        turn = 1 + others.index(own) if own in others else len(others) + 1
        return time.monotonic() - self._trouble_since > turn * TURN_SECONDS

    def _make_room(self, own: Etcd3Client, revision: int) -> None:
        log.warning("etcd has %s: it is compacted and defragmented", self.size)
        _compact(own, revision)
        # The leader last: while it is defragmented, nobody can write.
        for member in [each for each in self._members if each is not own] + [own]:
            try:
                ask_one(member, "/maintenance/status", {}, ANSWER_SECONDS)
                ask_one(member, "/maintenance/defragment", {}, DEFRAGMENT_SECONDS)
            except NoAnswer as error:
                log.warning("%s was not defragmented: %s", member.host, error)
                if not (self.size and self.size.has_alarm):
                    return  # with a member away, the others must not be kept busy for nothing
        status = ask_one(own, "/maintenance/status", {}, ANSWER_SECONDS)
        self.size = size = self._size(own, status)
        if size.has_alarm and size.db_bytes < FULL * size.quota_bytes:
            _take_alarms_back(own)
            status = ask_one(own, "/maintenance/status", {}, ANSWER_SECONDS)
            self.size = self._size(own, status)
            log.warning("etcd has room again: %s", self.size)


def _compact(member: Etcd3Client, revision: int) -> None:
    """Have etcd forget what was before a revision; `physical` waits until that is on disk."""
    try:
        question = {"revision": revision, "physical": True}
        ask_one(member, "/kv/compaction", question, DEFRAGMENT_SECONDS)
    except NoAnswer as error:
        if "has been compacted" not in str(error):
            raise


def _take_alarms_back(member: Etcd3Client) -> None:
    answer = ask_one(member, "/maintenance/alarm", {"action": "GET"}, ANSWER_SECONDS)
    for alarm in answer.get("alarms", []):
        if alarm.get("alarm") == "NOSPACE":
            question: dict[str, Any] = {"action": "DEACTIVATE", **alarm}
            ask_one(member, "/maintenance/alarm", question, ANSWER_SECONDS)


def _quota_bytes(member: Etcd3Client) -> int:
    """Bytes that the member's file may hold; 0 if it does not say."""
    url = member.get_url("/").split("/v3")[0] + "/metrics"
    try:
        text = member.session.get(url, timeout=ANSWER_SECONDS).text
    except OSError as error:
        raise NoAnswer(f"{member.host}: {error}") from error
    found = re.search(r"^etcd_server_quota_backend_bytes (\S+)$", text, re.MULTILINE)
    return int(float(found[1])) if found else 0
