"""Sockets listen where they are told to, and say why they cannot."""

import errno
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


@pytest.mark.parametrize("number", [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
def test_an_address_that_is_turned_off_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As ::1 of localhost, on a machine without IPv6."""
    there, gone = ((socket.AF_INET, 1, 6, "", (host, 0)) for host in ("127.0.0.1", "192.0.2.1"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [gone, there])

    class Socket(socket.socket):
        def bind(self, address: tuple[str, int]) -> None:  # type: ignore[override] # of IPv4
            if address[0] == "192.0.2.1":
                raise OSError(number, "is off")
            super().bind(address)

    monkeypatch.setattr(socket, "socket", Socket)
    (one,) = open_sockets("localhost", 0)
    assert one.getsockname()[0] == "127.0.0.1"
    one.close()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [gone])
    with pytest.raises(NmtError, match="localhost"):
        open_sockets("localhost", 0)


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
