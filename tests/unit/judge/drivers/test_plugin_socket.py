"""Any answer of a driver leads to a verdict on the driver, and is no defect of the judge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from judge.drivers.behaviours import Level
from judge.drivers.plugin_socket import Answer, PluginSocket
from judge.drivers.profile import Profile
from judge.drivers.socket_trials import (
    SocketStage,
    introduces_itself,
    keeps_names_apart,
    lists_what_there_is,
    says_a_status,
)
from judge.drivers.trial import Trial, try_all
from judge.drivers.verdicts import Verdict

ODD = ("7", '"text"', "[]", "[7]", '{"a": 7}', "null")
DEEP = "[" * 100_000


class Odd(PluginSocket):
    """A driver that agrees to everything, and answers with the same odd text in every field."""

    def __init__(self, odd: str) -> None:
        super().__init__(Path("none"), 1)
        self._odd = odd

    def send(self, method: str, address: str, body: bytes) -> Answer:
        del method, address, body
        fields = ("Implements", "Capabilities", "Volume", "Volumes", "Mountpoint")
        parts = [f"{json.dumps(field)}: {self._odd}" for field in fields]
        return Answer(200, f"{{{', '.join(parts)}}}")


@pytest.mark.parametrize("odd", [*ODD, DEEP], ids=[*ODD, "deep"])
@pytest.mark.parametrize(
    "run", [introduces_itself, keeps_names_apart, lists_what_there_is, says_a_status]
)
def test_odd_answers_fail(run: Callable[[SocketStage], None], odd: str) -> None:
    profile = Profile.model_validate(
        {"driver": "odd", "title": "Odd", "claims": ["status"], "here": {"socket": "/odd.sock"}}
    )
    stage = SocketStage(Odd(odd), profile, {})
    (found,) = try_all([Trial(1, run)], stage, Level.SOCKET, profile.claims)
    assert found.verdict is Verdict.FAILED
    assert found.reason
