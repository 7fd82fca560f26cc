"""An engine that is not there is said to be silent, soon."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance import engine
from acceptance.engine import Engine, EngineSilent


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """Some key and certificate; they are read before anybody is asked."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=x", "-keyout", tmp_path / "key.pem"),
            *("-out", tmp_path / "cert.pem"),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    (tmp_path / "ca.pem").write_bytes((tmp_path / "cert.pem").read_bytes())
    return tmp_path


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of somebody who takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        chosen = listening.getsockname()[1]
        monkeypatch.setattr(engine, "PORT", chosen)
        yield chosen


def test_a_dumb_engine_costs_no_more_than_a_connection(
    port: int, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 0.3)
    started = time.monotonic()
    with pytest.raises(EngineSilent, match=f"no engine answers at 127.0.0.1:{port}"):
        Engine("127.0.0.1", certificates)
    assert time.monotonic() - started < 5
