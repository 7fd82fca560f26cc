"""No proxy and no CA bundle of the host has a say in what the suite sees."""

from __future__ import annotations

import os
import urllib.request

import pytest

from acceptance.base.direct import CA_VARIABLES, PROXY_VARIABLES, direct_connections


@pytest.mark.parametrize("name", [*PROXY_VARIABLES, *CA_VARIABLES])
def test_it_is_hidden_and_brought_back(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    with direct_connections():
        assert name not in os.environ
        assert urllib.request.getproxies() == {}
    assert os.environ[name] == "http://127.0.0.1:9"


def test_it_is_brought_back_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(KeyError), direct_connections():
        raise KeyError
    assert os.environ["http_proxy"] == "http://127.0.0.1:9"
