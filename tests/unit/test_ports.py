"""Tests that run side by side get different ports."""

from __future__ import annotations

import socket

import pytest

from judge.machine.ports import free_port

ADDRESSES = ("127.0.0.1", "127.0.0.2")


def test_a_port_stays_taken_before_and_after_its_server_runs() -> None:
    port = free_port()
    for _ in range(2):
        with pytest.raises(OSError, match="in use"), socket.socket() as another:
            another.bind(("127.0.0.1", port))
        for address in ADDRESSES:
            socket.create_server((address, port)).close()


def test_a_server_that_is_not_there_refuses_connections() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port()))


def test_one_port_serves_several_addresses_at_once() -> None:
    port = free_port()
    listening = [socket.create_server((address, port)) for address in ADDRESSES]
    for each in listening:
        each.close()
