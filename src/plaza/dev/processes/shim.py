"""Runs a command that ends with its parent and, where root started it, without root's rights.

    python -I -S shim.py PARENT DEATH_SIGNAL RIGHTS FOLDER COMMAND...

PARENT is the pid of the starting process; DEATH_SIGNAL is what the command gets when that one ends (the thread that spawned it, to
be exact: spawn from the main thread). RIGHTS is one of

    same                 whoever started it
    nobody               uid and gid 65534
    nobody+read_search   and one ambient capability, to walk through folders that others cannot enter, so that nobody needs to
    nobody+override      widen the rights of a parent folder
    namespace            root outside, 65534 within a user namespace of its own, where changing the uid is refused

FOLDER is where the command must be able to write; empty for nowhere. What cannot be had ends with exit status 126 and the reason on
stderr. The pid stays the same throughout, as do inherited descriptors. Stdlib only: it is executed by path, outside of the package.
"""

import ctypes
import os
import struct
import sys

NOBODY = 65534

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CLONE_NEWUSER = 0x10000000
LINUX_CAPABILITY_VERSION_3 = 0x20080522
CAPABILITIES = {"override": 1, "read_search": 2}  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH

libc = ctypes.CDLL(None, use_errno=True)


def checked(name: str, status: int) -> None:
    if status != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def prctl(option: int, first: int, second: int = 0) -> None:
    checked("prctl", libc.prctl(*(ctypes.c_ulong(value) for value in (option, first, second, 0, 0))))


def become_nobody(capability: int | None) -> None:
    """With the bit NO_SETUID_FIXUP capabilities outlive the change of uid, and access(2), which initdb asks, respects them."""
    if capability is not None:
        prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if capability is not None:
        mask = 1 << capability
        header = struct.pack("Ii", LINUX_CAPABILITY_VERSION_3, 0)
        effective_permitted_inheritable = struct.pack("6I", mask, mask, mask, 0, 0, 0)
        checked("capset", libc.capset(header, effective_permitted_inheritable))
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def enter_namespace() -> None:
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    checked("unshare", libc.unshare(CLONE_NEWUSER))
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} {outer_uid} 1"),
        ("gid_map", f"{NOBODY} {outer_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 - pathlib would double the start-up time
            file.write(content)


def take(rights: str) -> None:
    who, _, capability = rights.partition("+")
    if who == "nobody":
        become_nobody(CAPABILITIES[capability] if capability else None)
    elif who == "namespace":
        enter_namespace()
    if who != "same":
        prctl(PR_SET_NO_NEW_PRIVS, 1)


def main() -> None:
    parent, death_signal, rights, folder, *command = sys.argv[1:]
    try:
        take(rights)
        if folder and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(f"cannot write into {folder}")
        if sys.platform == "linux":
            prctl(PR_SET_PDEATHSIG, int(death_signal))  # a change of uid clears it, so it comes last
        if os.getppid() != int(parent):
            raise ProcessLookupError("the parent ended first")
        os.execve(command[0], command, os.environ)  # noqa: S606 - its whole purpose
    except OSError as error:
        print(f"shim ({rights}): {error}", file=sys.stderr)  # noqa: T201 - there is no log yet
        sys.exit(126)


main()
