"""The kernel's own tables of sockets, read; and asked on this machine."""

import os
import socket
import sys
from ipaddress import ip_address

import pytest

from spacecloud.drivers.docker.doctor.port_owners import owners_of
from spacecloud.drivers.docker.proc_net import BoundSocket, bound_sockets, read_table

HEADER = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  inode\n"
)
REST = "00000000:00000000 00:00000000 00000000     0        0"

little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="rows of such a machine")


def row(local: str, state: str, inode: int, remote: str = "00000000:0000") -> str:
    return f"   0: {local} {remote} {state} {REST} {inode} 1 0000000000000000 100 0 0 10 0\n"


@little_endian
def test_the_sockets_of_one_state_are_read_with_their_addresses() -> None:
    connected = row("0100007F:1F90", "01", 12, "0100007F:C350")
    text = HEADER + row("0100007F:1F90", "0A", 11) + connected + row("00000000:0035", "0A", 13)

    assert list(read_table(text, "0A")) == [
        BoundSocket(ip_address("127.0.0.1"), 8080, 11),
        BoundSocket(ip_address("0.0.0.0"), 53, 13),
    ]


@little_endian
@pytest.mark.parametrize(
    ("local", "address"),
    [
        ("00000000000000000000000000000000", "::"),
        ("00000000000000000000000001000000", "::1"),
        ("B80D0120000000000000000001000000", "2001:db8::1"),
        ("0000000000000000FFFF00000100007F", "127.0.0.1"),
    ],
)
def test_an_ipv6_address_is_read_and_a_mapped_one_is_the_ipv4_address(
    local: str, address: str
) -> None:
    (found,) = read_table(HEADER + row(f"{local}:0050", "0A", 1), "0A")

    assert (found.address, found.port) == (ip_address(address), 80)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_of_this_process_is_found_with_its_owner(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as held:
        held.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            held.listen()
        port = held.getsockname()[1]

        (found,) = bound_sockets(port, kind)
        owners = owners_of(port, kind)

        assert (str(found.address), found.inode) == ("127.0.0.1", os.fstat(held.fileno()).st_ino)
        assert os.getpid() in [owner.id for owner in owners]
    assert list(bound_sockets(port, kind)) == []


def test_a_process_that_has_ended_has_no_sockets() -> None:
    assert list(bound_sockets(80, socket.SOCK_STREAM, "0")) == []
