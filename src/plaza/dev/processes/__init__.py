"""Children that end with their supervisor: spawned through a shim, alone by a lock that outlives SIGKILL, found again by a scan.

Stdlib only. Everything spawns from the main thread, because a parent-death signal belongs to the spawning thread.
"""

from plaza.dev.processes.process import Hurry, ManagedProcess, Program, StartFailed
from plaza.dev.processes.rights import SAME, RightsError, take_rights
from plaza.dev.processes.spawn import describe_exit, finish, spawn

__all__ = [
    "SAME",
    "Hurry",
    "ManagedProcess",
    "Program",
    "RightsError",
    "StartFailed",
    "describe_exit",
    "finish",
    "spawn",
    "take_rights",
]
