"""What an operator may ask: every route is one operation, and nonsense never reaches it."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from flocker.api.operator_api import add_watching_routes
from flocker.base.errors import BadRequest, ControlPlaneAway
from tests.unit.flocker.operator import Operator, serve


@pytest.fixture
def operator() -> Operator:
    return Operator()


@pytest.fixture
def client(operator: Operator) -> TestClient:
    return TestClient(serve(operator))


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("status", ("status",)),
        ("conflicts", ("conflicts",)),
        ("trash", ("trash",)),
        ("snapshots", ("snapshots", None)),
        ("snapshots?volume=", ("snapshots", None)),
        ("snapshots?volume=demo", ("snapshots", "demo")),
        ("history", ("history", None)),
        ("history?volume=demo", ("history", "demo")),
    ],
)
def test_each_question_is_one_operation(
    operator: Operator, client: TestClient, path: str, call: tuple[Any, ...]
) -> None:
    operator.answers[call[0]] = {"answer": ["as it was given", None, 1]}
    answer = client.get(f"/flocker/{path}")
    assert (answer.status_code, answer.json()) == (200, operator.answers[call[0]])
    assert operator.calls == [call]


@pytest.mark.parametrize(
    ("path", "body", "call"),
    [
        ("move", {"volume": "demo"}, ("move", "demo", None)),
        ("move", {"volume": "demo", "to": None}, ("move", "demo", None)),
        ("move", {"volume": "demo", "to": "node2"}, ("move", "demo", "node2")),
        ("cancel", {"volume": "demo"}, ("cancel", "demo")),
        ("promote", {"volume": "demo"}, ("promote", "demo", False)),
        ("promote", {"volume": "demo", "here": True}, ("promote", "demo", True)),
        ("snapshot", {"volumes": ["a", "b"]}, ("snapshot", ["a", "b"], "")),
        ("snapshot", {"volumes": ["a"], "label": "größer"}, ("snapshot", ["a"], "größer")),
        ("prune", {"reference": "demo@3"}, ("prune", "demo@3")),
        ("restore", {"reference": "demo@3"}, ("restore", "demo@3")),
        ("clone", {"reference": "demo@3", "name": "new"}, ("clone", "demo@3", "new")),
        ("undelete", {"name": "demo"}, ("undelete", "demo")),
        ("resize", {"volume": "demo", "size_bytes": 1 << 40}, ("resize", "demo", 1 << 40)),
        ("resize", {"volume": "demo", "size_bytes": None}, ("resize", "demo", None)),
    ],
)
def test_each_order_is_one_operation(
    operator: Operator,
    client: TestClient,
    path: str,
    body: dict[str, Any],
    call: tuple[Any, ...],
) -> None:
    operator.answers[path] = {"volume": {"name": "demo"}}
    answer = client.post(f"/flocker/{path}", json=body)
    assert (answer.status_code, answer.json()) == (200, operator.answers[path])
    assert operator.calls == [call]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("move", {}, "volume: Field required"),
        ("move", {"volume": 3}, "volume: Input should be a valid string"),
        ("move", {"volume": "demo", "from": "node1"}, "from: Extra inputs"),
        ("promote", ["demo"], "Input should be a valid dictionary"),
        ("snapshot", {"volumes": []}, "at least 1 item"),
        ("snapshot", {"volumes": "demo"}, "volumes: Input should be a valid list"),
        ("snapshot", {"volumes": ["a"], "label": "two\nlines"}, "label: String should match"),
        ("snapshot", {"volumes": ["a"], "label": "\x1b[2J"}, "label: String should match"),
        ("snapshot", {"volumes": ["a"], "label": "x" * 201}, "at most 200"),
        ("prune", {"volume": "demo"}, "reference: Field required"),
        ("restore", {"volume": "demo"}, "reference: Field required"),
        ("clone", {"reference": "demo@3"}, "name: Field required"),
        ("undelete", {}, "name: Field required"),
        ("resize", {"volume": "demo"}, "size_bytes: Field required"),
        ("resize", {"volume": "demo", "size_bytes": "1g"}, "size_bytes: Input should be"),
        ("resize", {"volume": "demo", "size_bytes": 1.5}, "size_bytes: Input should be"),
    ],
)
def test_a_malformed_order_is_refused_with_what_is_wrong(
    operator: Operator, client: TestClient, path: str, body: Any, said: str
) -> None:
    answer = client.post(f"/flocker/{path}", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["Err"]
    assert operator.calls == []


def test_what_is_not_json_is_refused(operator: Operator, client: TestClient) -> None:
    answer = client.post(
        "/flocker/move", content=b"{oops", headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert "cannot be read" in answer.json()["Err"]
    assert operator.calls == []


@pytest.mark.parametrize(
    ("error", "status_code"), [(BadRequest("no such node"), 400), (ControlPlaneAway("away"), 500)]
)
def test_what_an_operation_raises_is_answered_by_the_app(
    operator: Operator, client: TestClient, error: Exception, status_code: int
) -> None:
    operator.answers["move"] = error
    answer = client.post("/flocker/move", json={"volume": "demo"})
    assert (answer.status_code, answer.json()) == (status_code, {"Err": str(error)})


@pytest.mark.parametrize("prefix", ["", "/flocker"])
def test_health_and_metrics_are_where_they_were_asked_for(prefix: str) -> None:
    app = FastAPI()
    add_watching_routes(app, prefix, lambda: (503, {"problems": ["full"]}), lambda: b"up 1.0\n")
    client = TestClient(app)
    health = client.get(f"{prefix}/health")
    assert (health.status_code, health.json()) == (503, {"problems": ["full"]})
    metrics = client.get(f"{prefix}/metrics")
    assert (metrics.status_code, metrics.text) == (200, "up 1.0\n")
    assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
