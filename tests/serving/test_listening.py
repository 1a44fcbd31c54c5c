"""Sockets listen where they are told to, and say why they cannot."""

import socket

import pytest

from nmt.errors import NmtError
from nmt.serving.listening import address_of, is_local, open_sockets, port_of


def test_a_free_port_is_the_same_on_all_addresses() -> None:
    sockets = open_sockets("localhost", 0)
    assert {each.getsockname()[1] for each in sockets} == {port_of(sockets)}
    assert is_local(sockets)
    # Otherwise asyncio does not set TCP_NODELAY, and each answer is 40 ms late.
    assert {each.proto for each in sockets} == {socket.IPPROTO_TCP}
    for each in sockets:
        each.close()


def test_other_machines_may_reach_some_addresses() -> None:
    sockets = open_sockets("0.0.0.0", 0)  # noqa: S104 (nothing is sent)
    assert not is_local(sockets)
    for each in sockets:
        each.close()


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NmtError, match=f"port {port} on 127.0.0.1 is in use"):
            open_sockets("127.0.0.1", port)


def test_addresses_are_those_of_a_browser() -> None:
    assert address_of("127.0.0.1", 5000) == "http://127.0.0.1:5000/"
    assert address_of("::1", 80) == "http://[::1]:80/"
