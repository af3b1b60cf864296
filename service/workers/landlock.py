"""Linux's Landlock: a process gives up, for good, the files and the network it does not need.

The kernel looks at each file as it is opened, wherever a path leads by then, so that no swapped symlink gets round it;
and it holds compiled code as well as Python's. https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
"""System calls, of these numbers on all machines but Alpha."""
_VERSION_FLAG, _RULE_PATH_BENEATH, _PR_SET_NO_NEW_PRIVS = 1, 1, 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FILESYSTEM = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Rights to files that each version knows; a version in between knows those of the one before."""
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_SYMLINKS_AND_NODES = (1 << 6) | (1 << 9) | (1 << 10) | (1 << 11) | (1 << 12)
"""To make devices, sockets, pipes and symlinks."""
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | (1 << 14) | (1 << 15)
"""The rights that a rule about a file rather than a folder may give."""
_NETWORK, _NETWORK_VERSION = 0b11, 4
"""To bind and to connect by TCP."""
_SCOPED, _SCOPED_VERSION = 0b11, 6
"""Abstract Unix sockets of others, and signals to others."""


def landlock_version() -> int:
    """The version that this system has; 0 where it has none."""
    if sys.platform != "linux":
        return 0
    return max(int(_libc().syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))), 0)


def restrict(*, read: Iterable[str | Path], write: Iterable[str | Path]) -> None:
    """Let this thread, and all threads and processes it starts from now on, read and write these files and folders
    only, and open no TCP connection. Paths that are not there are passed over. Raises `OSError` where that fails.

    It must be called before other threads are there, for they are not held.
    """
    version = landlock_version()
    if not version:
        raise OSError("this system has no Landlock")
    if sum(1 for _ in os.scandir("/proc/self/task")) != 1:
        raise OSError("other threads run already")
    handled = _FILESYSTEM[max(known for known in _FILESYSTEM if known <= version)]
    network = _NETWORK if version >= _NETWORK_VERSION else 0
    scoped = _SCOPED if version >= _SCOPED_VERSION else 0
    attributes = struct.pack("=QQQ", handled, network, scoped)[: 24 if scoped else 16 if network else 8]
    libc = _libc()
    rules = _checked(libc.syscall(_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)))
    try:
        for path in read:
            _allow(libc, rules, path, _READ & handled)
        for path in write:
            _allow(libc, rules, path, handled & ~_SYMLINKS_AND_NODES)
        _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT, ctypes.c_int(rules), ctypes.c_uint32(0)))
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str | Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        try:
            _add_rule(libc, rules, place, rights)
        except OSError as error:  # it is a file; to look beforehand would be to ask its disk, which may hang
            if error.errno != errno.EINVAL:
                raise
            _add_rule(libc, rules, place, rights & _OF_FILES)
    finally:
        os.close(place)


def _add_rule(libc: ctypes.CDLL, rules: int, place: int, rights: int) -> None:
    rule = struct.pack("=Qi", rights, place)
    _checked(libc.syscall(_ADD_RULE, ctypes.c_int(rules), _RULE_PATH_BENEATH, rule, ctypes.c_uint32(0)))


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
