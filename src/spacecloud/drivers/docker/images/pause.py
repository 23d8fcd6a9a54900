"""
The program of the ``pause`` container, as machine code: a machine that only runs containers
has no compiler.

It holds a pod's network namespace and does nothing else. As process 1 it must ask for its
signals: it blocks SIGTERM and SIGINT, waits for one of them and exits with 0 at once, and it
ignores SIGCHLD so that the kernel reaps orphans for it. Both variants are the same five steps:

    rt_sigaction(SIGCHLD, {SIG_IGN}, NULL, 8)
    rt_sigprocmask(SIG_BLOCK, {SIGTERM, SIGINT}, NULL, 8)
    do signal = rt_sigtimedwait({SIGTERM, SIGINT}, NULL, NULL, 8) while (signal <= 0)
    exit_group(0)

The tests run the amd64 variant. The arm64 variant was run under user-mode emulation only.
"""

import struct

from spacecloud.errors import Terminal
from spacecloud.reasons.platform import ProgramUnusable

_BASE = 0x400000
_HEADERS = 64 + 56
_IGNORE_SIGNAL = struct.pack("<QQQQ", 1, 0, 0, 0)
_TERM_AND_INT = struct.pack("<Q", 1 << (15 - 1) | 1 << (2 - 1))
_DATA = _IGNORE_SIGNAL + _TERM_AND_INT
"""A sigaction, then a signal set; they follow the headers, the code follows them."""

_ACTION = _BASE + _HEADERS
_SIGNALS = _ACTION + len(_IGNORE_SIGNAL)
_MACHINES = {"amd64": 62, "arm64": 183}


def pause_program(architecture: str) -> bytes:
    """A static ELF executable for ``amd64`` or ``arm64``."""
    match architecture:
        case "amd64":
            code = _amd64()
        case "arm64":
            code = _arm64()
        case _:
            words = f"there is no pause program for {architecture}"
            raise Terminal(ProgramUnusable(words, "use a machine of amd64 or arm64"))
    return _elf(_MACHINES[architecture], _DATA + code)


def _amd64() -> bytes:
    action, signals = struct.pack("<I", _ACTION), struct.pack("<I", _SIGNALS)
    wait = b"".join(
        (
            b"\xb8\x80\x00\x00\x00",  # mov eax, 128 (rt_sigtimedwait)
            b"\xbf" + signals,  # mov edi, signals
            b"\x31\xf6",  # xor esi, esi
            b"\x31\xd2",  # xor edx, edx
            b"\x0f\x05",  # syscall
            b"\x85\xc0",  # test eax, eax
        )
    )
    back = struct.pack("<b", -(len(wait) + 2))
    return b"".join(
        (
            b"\x41\xba\x08\x00\x00\x00",  # mov r10d, 8: every call below takes it
            b"\xb8\x0d\x00\x00\x00",  # mov eax, 13 (rt_sigaction)
            b"\xbf\x11\x00\x00\x00",  # mov edi, 17 (SIGCHLD)
            b"\xbe" + action,  # mov esi, action
            b"\x31\xd2",  # xor edx, edx
            b"\x0f\x05",  # syscall
            b"\xb8\x0e\x00\x00\x00",  # mov eax, 14 (rt_sigprocmask)
            b"\x31\xff",  # xor edi, edi (SIG_BLOCK)
            b"\xbe" + signals,  # mov esi, signals
            b"\x31\xd2",  # xor edx, edx
            b"\x0f\x05",  # syscall
            wait,
            b"\x7e" + back,  # jle wait
            b"\xb8\xe7\x00\x00\x00",  # mov eax, 231 (exit_group)
            b"\x31\xff",  # xor edi, edi
            b"\x0f\x05",  # syscall
        )
    )


def _arm64() -> bytes:
    """
    Addresses are built with movz and movk, so that nothing depends on where an instruction is.
    """
    words = [
        _movz(3, 8),  # sigsetsize: every call below takes it
        _movz(8, 134),  # rt_sigaction
        _movz(0, 17),  # SIGCHLD
        *_address(1, _ACTION),
        _movz(2, 0),
        _SVC,
        _movz(8, 135),  # rt_sigprocmask
        _movz(0, 0),  # SIG_BLOCK
        *_address(1, _SIGNALS),
        _movz(2, 0),
        _SVC,
    ]
    wait = [
        _movz(8, 137),  # rt_sigtimedwait
        *_address(0, _SIGNALS),
        _movz(1, 0),
        _movz(2, 0),
        _SVC,
        0x7100001F,  # cmp w0, #0
    ]
    words += wait
    words.append(_branch_if_not_positive(-len(wait)))
    words += [_movz(8, 94), _movz(0, 0), _SVC]  # exit_group(0)
    return struct.pack(f"<{len(words)}I", *words)


_SVC = 0xD4000001


def _movz(register: int, value: int) -> int:
    return 0xD2800000 | value << 5 | register


def _address(register: int, address: int) -> tuple[int, int]:
    """movz of the low half, movk of the high half at bit 16."""
    return _movz(register, address & 0xFFFF), 0xF2A00000 | (address >> 16) << 5 | register


def _branch_if_not_positive(words: int) -> int:
    """b.le, relative to itself."""
    return 0x54000000 | (words & 0x7FFFF) << 5 | 0b1101


def _elf(machine: int, content: bytes) -> bytes:
    """One segment, readable and executable, that holds the headers, the data and the code."""
    size = _HEADERS + len(content)
    identity = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    header = struct.pack(
        "<HHIQQQIHHHHHH",
        2,  # an executable
        machine,
        1,
        _BASE + _HEADERS + len(_DATA),  # where it starts
        64,  # the program header follows this one
        0,
        0,
        64,
        56,
        1,
        64,
        0,
        0,
    )
    load_readable_executable = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return identity + header + load_readable_executable + content
