"""Open the sockets that a server listens on."""

import errno
import socket
from contextlib import ExitStack
from typing import Any

from nmt.errors import NmtError, shown

IN_USE = "port {port} on {host} is in use; stop the other program or choose another port (--port)"
REASONS = {
    errno.EADDRINUSE: IN_USE,
    errno.EACCES: "port {port} needs more rights; choose one from 1024 on (--port)",
    errno.EADDRNOTAVAIL: "this machine does not have the address {host}; choose another (--host)",
}

# A name may have an address of a kind that is turned off, such as IPv6.
ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def open_sockets(host: str, port: int) -> list[socket.socket]:
    """Return sockets that are bound to all addresses of a host that this machine has.

    They do not listen yet.

    port: 0 chooses a free one. Raises NmtError if that is not possible.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise NmtError(f"there is no host {shown(host)}; name another (--host)") from error
    with ExitStack() as stack:
        sockets: list[socket.socket] = []
        absent: OSError | None = None
        for family, address in dict.fromkeys((each[0], each[4]) for each in found):
            chosen = port or (port_of(sockets) if sockets else 0)
            try:
                bound = bound_socket(family, (address[0], chosen, *address[2:]))
            except OSError as error:
                if error.errno not in ABSENT:
                    raise listening_error(error, host, port) from error
                absent = error
            else:
                sockets.append(stack.enter_context(bound))
        if absent and not sockets:
            raise listening_error(absent, host, port) from absent
        stack.pop_all()
        return sockets


def bound_socket(family: int, address: tuple[Any, ...]) -> socket.socket:
    """Return a socket that is bound to an address; raises OSError."""
    # asyncio sends at once (TCP_NODELAY) only if the protocol is given. Otherwise the body of an
    # answer waits 40 ms, until the client acknowledges the head.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        found.bind(address)
    except BaseException:
        found.close()
        raise
    return found


def listening_error(error: OSError, host: str, port: int) -> NmtError:
    """Return the error for a socket that cannot be bound, or cannot listen."""
    reason = REASONS.get(error.errno or 0, "cannot listen on {host}: {error}")
    return NmtError(reason.format(host=host, port=port, error=error.strerror))


def port_of(sockets: list[socket.socket]) -> int:
    """Return the port of sockets."""
    return int(sockets[0].getsockname()[1])


def address_of(host: str, port: int) -> str:
    """Return the address of a server for a browser."""
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def is_local(sockets: list[socket.socket]) -> bool:
    """Return True if only this machine can reach sockets."""
    addresses = [each.getsockname()[0] for each in sockets]
    return all(each.startswith("127.") or each == "::1" for each in addresses)
