"""What a task listens on, as its own kernel tables tell."""

import os
import socket

from spacecloud.drivers.docker.probes.probe import only_on_loopback, reachable_ports
from spacecloud.reasons.tasks import NothingListens


def test_ports_beyond_loopback_are_told_by_number() -> None:
    with (
        socket.create_server(("0.0.0.0", 0)) as open,
        socket.create_server(("127.0.0.1", 0)) as own,
    ):
        everywhere, inside = open.getsockname()[1], own.getsockname()[1]
        found = reachable_ports(os.getpid())

        assert only_on_loopback(os.getpid(), inside)
        assert not only_on_loopback(os.getpid(), everywhere)
    assert inside not in found
    assert list(found) == sorted(found)
    assert len(found) == 5 or everywhere in found


def test_nothing_is_told_of_a_process_that_is_gone() -> None:
    assert reachable_ports(2**22 + 1) == ()


def test_what_is_listened_on_is_named_beside_what_is_not() -> None:
    assert str(NothingListens(9999)) == "nothing listens on port 9999"
    assert str(NothingListens(9999, (8080,))) == "nothing listens on port 9999; it listens on 8080"
    assert str(NothingListens(9999, (80, 443))).endswith("; it listens on 80, 443")
