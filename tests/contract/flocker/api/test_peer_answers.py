"""A node that answers what no node would: whoever asked it says so in one line, and believes none
of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse

from flocker.api import peer_client, peer_connections, peer_models
from flocker.api.peer_client import HttpPeers
from flocker.api.peer_connections import PeerConnections
from flocker.base.errors import FlockerError, PeerAway, PoolError, Refused, TransferFailed
from flocker.base.records import Move, Node, Snapshot, Volume
from flocker.certificates.tls import Tls
from flocker.volumes.requests import ResizeRequest
from tests.contract.flocker.peer_certificates import ADDRESS, Authority
from tests.contract.flocker.peer_server import served

pytestmark = pytest.mark.contract

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
VOLUME = Volume("demo", ID, "node1", 1, "2026-11-22T19:00:00.000+00:00")
SNAPSHOT: dict[str, Any] = {"number": 1, "identity": "identity", "epoch": 1, "held_bytes": None}
WANTED = Snapshot(1, "identity")
ASIDE = {
    "reference": "demo@node1-x",
    "volume_id": ID,
    "volume": "demo",
    "why": "removed",
    "at": VOLUME.created_at,
}
STRAY = {"epoch": 1, "is_open": True, "number": 1, "id": ID, "name": "demo"}
PURGED = {"purged": [], "failed": [], "kept": [], "freed_bytes": 0, "free_bytes": 0}
DIGEST = {"sha256": "0" * 64, "entries": 1, "size_bytes": 1}
COPY = {"node": "node1", "snapshot": 1, "result": "same", "why": "", "size_bytes": 1}
VERIFIED = {"volume": "demo", "at": VOLUME.created_at, "copies": [COPY]}
RECORD = {"name": "demo", "id": ID, "owner": "node1", "epoch": 1, "size_bytes": None}

TAKEN = {
    "volume": "demo",
    "number": 1,
    "taken_at": VOLUME.created_at,
    "label": "",
    "nodes": ["node1"],
}

RESIZE = ResizeRequest(volume="demo", size_bytes=None)

Question = Callable[[HttpPeers], Any]

QUESTIONS: dict[str, tuple[Question, Any]] = {
    "prepare": (lambda peers: peers.prepare(VOLUME), SNAPSHOT),
    "release": (lambda peers: peers.release(VOLUME, Move(ID, "node1", "node2", "x")), SNAPSHOT),
    "asides": (lambda peers: peers.asides("node1"), [ASIDE]),
    "strays": (lambda peers: peers.strays("node1"), [STRAY]),
    "purge": (lambda peers: peers.purge("node1", [], []), PURGED),
    "verify": (lambda peers: peers.verify(VOLUME), VERIFIED),
    "digest": (lambda peers: peers.digest(ID, "node1", WANTED, 1), DIGEST),
    "snapshots": (lambda peers: peers.snapshots(ID, "node1"), [SNAPSHOT]),
    "bytes": (lambda peers: peers.stream_bytes(ID, "node1", WANTED, None), {"bytes": 1}),
    "operate": (
        lambda peers: peers.operate("node1", RESIZE),
        {"volume": RECORD, "snapshots": [TAKEN]},
    ),
    "standing": (lambda peers: peers.retired_at("node1"), {"retired_at": VOLUME.created_at}),
}

WRONG = {
    "prepare": [{**SNAPSHOT, "number": each} for each in ("../../x", "1", -1, 1.5, True, None)]
    + [{**SNAPSHOT, "held_bytes": -1}, {**SNAPSHOT, "identity": "x" * 300}, [SNAPSHOT], "x"],
    "release": [{**SNAPSHOT, "epoch": -1}, {}],
    "asides": [[{**ASIDE, "volume_id": ID.upper()}], [{**ASIDE, "why": "\x1b[2J"}], {}]
    + [[{**ASIDE, "at": each}] for each in ("", "soon", "2026-11-22T19:00:00", "2026-13-01Z")]
    + [[{**ASIDE, "volume": each}] for each in ("", "a\x1b[2J", "a\n", "../x", "a\u202e")],
    "strays": [
        [{**STRAY, "id": "../../x"}],
        [{**STRAY, "is_open": "yes"}],
        [{**STRAY, "name": "a\x1b[2J"}],
    ],
    "purge": [{**PURGED, "freed_bytes": -1}, {**PURGED, "purged": "all"}, {**PURGED, "kept": [1]}],
    "verify": [
        {**VERIFIED, "copies": [{**COPY, "result": "perfect"}]},
        {**VERIFIED, "at": "soon"},
        {**VERIFIED, "volume": "a\x1b[2J"},
    ],
    "digest": [{**DIGEST, "sha256": "x" * 64}, {**DIGEST, "size_bytes": -1}],
    "snapshots": [[{**SNAPSHOT, "number": "../../x"}], {"0": SNAPSHOT}, None],
    "bytes": [{"bytes": -1}, {"bytes": "1"}, {}],
    "operate": [
        {"volume": {**RECORD, "size_bytes": -1}},
        {"volume": {**RECORD, "name": "a\x1b[2J"}},
        {"volume": "demo"},
        {"snapshots": [{**TAKEN, "taken_at": "soon"}]},
        [],
    ],
    "standing": [{"retired_at": each} for each in ("soon", "", 1)],
}


@dataclass
class Evil:
    """What node1 answers to everything."""

    content: Callable[[], Any] = field(default=dict)
    status_code: int = 200

    async def answer(self, _: Request) -> Response:
        content = self.content()
        if isinstance(content, Response):
            return content
        return Response(json.dumps(content), self.status_code)


@pytest.fixture(scope="module")
def evil() -> Evil:
    return Evil()


@pytest.fixture(scope="module")
def peers(authority: Authority, evil: Evil) -> Iterator[HttpPeers]:
    app = FastAPI()
    app.add_route("/{path:path}", evil.answer, methods=["GET", "POST"])
    node1 = Node("node1", ADDRESS, "0", 0, 1)
    with served(app, authority) as port:
        tls = Tls(authority.of("node", "node2"))
        yield HttpPeers(PeerConnections("node2", lambda: {"node1": node1}, port, tls))


@pytest.fixture(autouse=True)
def _as_a_node_does(evil: Evil) -> Iterator[None]:
    yield
    evil.content, evil.status_code = dict, 200


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_right_answer_is_taken(peers: HttpPeers, evil: Evil, question: str) -> None:
    ask, answer = QUESTIONS[question]
    evil.content = lambda: answer
    ask(peers)


@pytest.mark.parametrize("question", WRONG)
def test_a_wrong_answer_is_refused_in_one_line(peers: HttpPeers, evil: Evil, question: str) -> None:
    for answer in WRONG[question]:
        evil.content = lambda answer=answer: answer  # type: ignore[misc]
        with pytest.raises(TransferFailed, match="node1 gave an answer that cannot be") as refused:
            QUESTIONS[question][0](peers)
        assert str(refused.value).isprintable(), answer
        assert len(str(refused.value)) < 3000


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_a_newer_version_adds_is_passed_over(
    peers: HttpPeers, evil: Evil, question: str
) -> None:
    ask, answer = QUESTIONS[question]
    more = [{**answer[0], "new": 1}] if isinstance(answer, list) else {**answer, "new": 1}
    evil.content = lambda: more
    ask(peers)


def test_an_answer_has_an_end(
    peers: HttpPeers, evil: Evil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_connections, "LARGEST_ANSWER_BYTES", 1 << 20)
    evil.content = lambda: StreamingResponse(b" " * (1 << 16) for _ in range(1 << 12))
    with pytest.raises(TransferFailed, match="node1 gave an answer without end"):
        peers.asides("node1")


def test_an_answer_that_drips_is_not_waited_for(
    peers: HttpPeers, evil: Evil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_client, "LIST_SECONDS", 0.5)
    evil.content = lambda: StreamingResponse(_dripping())
    with pytest.raises(PeerAway, match=r"no whole answer within 0.5 s"):
        peers.asides("node1")


def _dripping() -> Iterator[bytes]:
    for _ in range(100):
        threading.Event().wait(0.1)
        yield b" "


@pytest.mark.parametrize(
    ("status_code", "kind"), [(409, Refused), (403, Refused), (500, PoolError), (404, PoolError)]
)
def test_the_words_of_a_refusal_cannot_forge_anything(
    peers: HttpPeers, evil: Evil, status_code: int, kind: type[FlockerError]
) -> None:
    evil.status_code = status_code
    for content in (
        {"error": "no\n2026 node3 demo removed\x1b[2J\u202e" + "x" * 100_000},
        {"error": {"a": "b"}},
        "\x1b[2J",
    ):
        evil.content = lambda content=content: content  # type: ignore[misc]
        with pytest.raises(kind) as refused:
            peers.asides("node1")
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 2 * peer_models.LONGEST_REASON
