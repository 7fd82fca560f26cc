"""Questions to etcd; longer than 300 lines because all of it decides which member to ask next.

JSON over HTTP, one member after the other until one answers.

Source: etcd's gRPC gateway (/v3). Keys and values are base64, 64-bit numbers are strings.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from etcd3gw.client import Etcd3Client
from etcd3gw.exceptions import Etcd3Exception
from requests.adapters import HTTPAdapter

from flocker.base.config import Certificates
from flocker.base.errors import BadRequest, ControlPlaneAway
from flocker.base.json_text import read_json

log = logging.getLogger(__name__)

ROOT = "flocker/"
# A healthy member answers in milliseconds. One that hangs, though it may be the leader to whom
# others hand on what they are asked, must not cost the lease of a node that is well (announcer.py):
# so the first is waited for longest, the others for a moment, and then all of them once more.
FIRST_SECONDS = 4
LAST_SECONDS = 1
LEADER_SECONDS = 5  # members find a new leader in four
PATIENCE_SECONDS = 12  # with silent members, as when a disk that all share stalls
POLL_SECONDS = 0.2
CONNECTIONS_KEPT = 64  # to each member
UNAVAILABLE = 14  # gRPC's code for what may pass, such as having no leader

# A member that was cut off from the others says so at once, instead of holding a question for
# 7 s, and ends its watches. Source: etcd's WithRequireLeader, which sets this metadata.
NEEDS_LEADER = {"Grpc-Metadata-hasleader": "true"}

LEASE_OVER = (
    "this node was not heard of for so long that its lease ran out; try again in a few seconds"
)

Json = dict[str, Any]

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


class Members:
    """The members of etcd, asked in turn, the one that answered last first.

    Args:
        endpoints: `http(s)://host:port`, the nearest first.
        certificates: for https; None for plain http.

    Any number of threads may ask at once.
    """

    def __init__(self, endpoints: list[str], certificates: Certificates | None) -> None:
        self._clients = [connect(endpoint, certificates) for endpoint in endpoints]
        self._pause = threading.Event()  # never set

    def ask(self, path: str, question: Json) -> Json:
        """The answer of the first member that can give one.

        A question may reach etcd more than once: when an answer is lost, the next member is
        asked. While members say that they have no leader, or say nothing, all are asked again
        for a while.

        Raises:
            ControlPlaneAway: no member could answer. That is known at once if all refuse,
                LEADER_SECONDS after the first said that it has no leader, and otherwise after
                PATIENCE_SECONDS; a round that has begun by then is ended.
        """
        patience = _Patience()
        while True:
            failures: list[NoAnswer] = []
            for client in list(self._clients):
                seconds = LAST_SECONDS if failures else FIRST_SECONDS
                try:
                    answer = ask_one(client, path, question, patience.limit(seconds))
                except NoAnswer as failure:
                    failures.append(failure)
                else:
                    self._prefer(client)
                    return answer
            if patience.has_ended(failures):
                raise ControlPlaneAway(
                    f"etcd does not answer ({'; '.join(map(str, failures))}); "
                    "`systemctl status etcd` on the nodes tells more"
                )
            self._pause.wait(POLL_SECONDS)

    def listen(self, path: str, question: Json, silence_seconds: float) -> Iterator[Json]:
        """The messages of the member that answered last, one at a time, until it stops.

        Args:
            silence_seconds: without a word for so long, it counts as gone.

        Raises:
            ControlPlaneAway: it says no more.
        """
        client = self._clients[0]
        try:
            with client.session.post(
                client.get_url(path),
                json=question,
                stream=True,
                timeout=(FIRST_SECONDS, silence_seconds),
            ) as response:
                for line in response.iter_lines(chunk_size=None):  # None: as soon as it arrives
                    if line.strip():
                        yield _result(json.loads(line))
        except (NoAnswer, OSError, ValueError) as failure:
            raise ControlPlaneAway(f"{client.host}: {_reason(_bottom(failure))}") from failure

    def _prefer(self, client: Etcd3Client) -> None:
        if self._clients[0] is not client:
            self._clients = [client, *(each for each in self._clients if each is not client)]


class NoAnswer(Exception):
    """A member did not answer, or said that it cannot.

    Attributes:
        has_no_leader: it said that it cannot at the moment.
        is_silent: it said nothing in time.
    """

    def __init__(
        self, reason: str, *, has_no_leader: bool = False, is_silent: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.has_no_leader = has_no_leader
        self.is_silent = is_silent


class _Patience:
    """For how long one question is asked again."""

    def __init__(self) -> None:
        self._end = time.monotonic() + PATIENCE_SECONDS
        self._leader_by: float | None = None

    def limit(self, seconds: float) -> float:
        """So many seconds, or those that are left; a moment at least."""
        return max(LAST_SECONDS, min(seconds, self._end - time.monotonic()))

    def has_ended(self, failures: Sequence[NoAnswer]) -> bool:
        """True if the members' replies count as an answer."""
        moment = time.monotonic()
        if self._leader_by is None and any(failure.has_no_leader for failure in failures):
            self._leader_by = moment + LEADER_SECONDS
        if self._leader_by is not None:
            return moment >= min(self._leader_by, self._end)
        return moment >= self._end or not any(failure.is_silent for failure in failures)


class Entry(NamedTuple):
    """A key as it was read.

    Attributes:
        key: without ROOT.
        value: what was stored as JSON; None when there is no such key.
        revision: of its last change; 0 when there is no such key.
        lease: that it ends with; 0 for none.
    """

    key: str
    value: Any
    revision: int
    lease: int = 0

    @classmethod
    def of(cls, stored: Mapping[str, str]) -> Entry:
        key = key_of(stored)
        try:
            value = read_json(value_of(stored))
        except ValueError:
            log.warning("%s%s in etcd is no JSON that can be shown", ROOT, key)
            value = None
        return cls(key, value, int(stored["mod_revision"]), int(stored.get("lease", 0)))

    @property
    def unchanged(self) -> Json:
        """The condition that the key is still as it was read."""
        return {
            "key": _base64(ROOT + self.key),
            "result": "EQUAL",
            "target": "MOD",
            "mod_revision": self.revision,
        }


def voters(answer: Json) -> int:
    """The number of members that vote, by etcd's list; learners only listen."""
    return sum(not member.get("isLearner", False) for member in answer["members"])


def bound_to(key: str, lease: int) -> Json:
    """The condition that the key is there and ends with that lease."""
    return {"key": _base64(ROOT + key), "result": "EQUAL", "target": "LEASE", "lease": lease}


def none_newer(prefix: str, revision: int) -> Json:
    """The condition that no key that begins with `prefix` was made or changed since."""
    first, end = _span(prefix)
    return {
        "key": first,
        "range_end": end,
        "result": "LESS",
        "target": "MOD",
        "mod_revision": revision + 1,
    }


def put(key: str, value: Mapping[str, Any], lease: int | None = None) -> Json:
    """Write a value at a key, which goes with the lease if there is one."""
    text = _ENCODER.encode(value)
    change: Json = {"key": _base64(ROOT + key), "value": _base64(text)}
    if lease is not None:
        change["lease"] = lease
    return {"request_put": change}


def delete(key: str) -> Json:
    """Delete a key; nothing if it is not there."""
    return {"request_delete_range": {"key": _base64(ROOT + key)}}


def delete_below(prefix: str, up_to: str | None = None) -> Json:
    """Delete all keys that begin with `prefix`, or those of them up to one of them."""
    first, end = _span(prefix)
    if up_to is not None:
        end = _base64(f"{ROOT}{up_to}\0")
    return {"request_delete_range": {"key": first, "range_end": end}}


def read(key: str) -> Json:
    """Read one key."""
    return {"request_range": {"key": _base64(ROOT + key)}}


def read_below(prefix: str) -> Json:
    """Read all keys that begin with `prefix`."""
    first, end = _span(prefix)
    return {"request_range": {"key": first, "range_end": end}}


def newest_keys(prefix: str, limit: int) -> Json:
    """The last keys that begin with `prefix`, last first, without their values."""
    first, end = _span(prefix)
    return {
        "request_range": {
            "key": first,
            "range_end": end,
            "keys_only": True,
            "sort_order": "DESCEND",
            "sort_target": "KEY",
            "limit": limit,
        }
    }


def watch_from(revision: int) -> Json:
    """Every change below ROOT since `revision`, itself included."""
    first, end = _span("")
    return {"create_request": {"key": first, "range_end": end, "start_revision": revision}}


def key_of(stored: Mapping[str, str]) -> str:
    """The key of something that was read, below ROOT."""
    return _text(stored["key"]).removeprefix(ROOT)


def value_of(stored: Mapping[str, str]) -> str:
    """The value of something that was read."""
    return _text(stored.get("value", ""))


def connect(endpoint: str, certificates: Certificates | None) -> Etcd3Client:
    """Make the client of one member; nothing is asked yet.

    Raises:
        BadRequest: that is no endpoint of etcd.
    """
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or url.hostname is None or url.port is None:
        raise BadRequest(f"'{endpoint}' is not an etcd endpoint like https://172.16.78.250:2379")
    client = Etcd3Client(host=url.hostname, port=url.port, protocol=url.scheme, api_path="/v3/")
    session = client.session
    session.trust_env = False  # neither proxies nor another CA bundle may come between
    session.headers.update(NEEDS_LEADER)
    session.mount(f"{url.scheme}://", HTTPAdapter(pool_maxsize=CONNECTIONS_KEPT))
    if certificates is not None:
        session.verify = str(certificates.ca)
        session.cert = (str(certificates.cert), str(certificates.key))
    return client


def ask_one(member: Etcd3Client, path: str, question: Json, seconds: float) -> Json:
    """Ask one member, and no other if it does not answer in time."""
    # The library knows a timeout of clients only, not of questions: a copy, of the same session.
    client = copy(member)
    client.timeout = seconds  # for connecting, for TLS and for an answer, each
    handled = sys.exception()
    try:
        return _result(_post(client, path, question))
    except NoAnswer as failure:
        if "lease not found" in failure.reason:
            raise ControlPlaneAway(LEASE_OVER) from failure
        reason = f"{client.host}: {failure.reason}"
        raise NoAnswer(reason, has_no_leader=failure.has_no_leader) from None
    except (Etcd3Exception, OSError, ValueError) as error:  # the last: an answer that was cut off
        bottom = _bottom(error, handled)
        raise NoAnswer(
            f"{client.host}: {_reason(bottom)}", is_silent=isinstance(bottom, TimeoutError)
        ) from error


def _post(client: Etcd3Client, path: str, question: Json) -> Any:
    try:
        return client.post(client.get_url(path), json=question)
    except Etcd3Exception as error:
        if error.args:  # HTTP's words for the status: it has answered, and refuses
            raise _refusal(json.loads(error.detail_text or "")) from error
        raise


def _result(answer: Any) -> Json:
    """A member's answer, unless it says that it cannot answer."""
    if "error" in answer:  # a stream fails after a status of 200
        raise _refusal(answer)
    return dict(answer.get("result", answer))  # what is streamed comes in an envelope


def _refusal(answer: Any) -> NoAnswer:
    error = answer.get("error")
    details = error if isinstance(error, dict) else answer  # a stream's, or a single answer's
    code = details.get("grpc_code", details.get("code"))
    return NoAnswer(str(details.get("message") or error), has_no_leader=code == UNAVAILABLE)


def _bottom(error: BaseException, handled: BaseException | None = None) -> BaseException:
    """The innermost cause: "connection refused" comes wrapped four times.

    Args:
        handled: what the caller was dealing with when it asked; no part of it.
    """
    while error.__context__ is not None and error.__context__ is not handled:
        error = error.__context__
    return error


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or repr(error)


def _span(prefix: str) -> tuple[str, str]:
    """First and end of the keys that begin with `prefix`, which is empty or ends in "/"."""
    whole = ROOT + prefix
    return _base64(whole), _base64(whole[:-1] + "0")  # what comes after "/"


def _base64(text: str) -> str:
    return b2a_base64(text.encode(), newline=False).decode()


def _text(base64: str) -> str:
    return a2b_base64(base64).decode()
