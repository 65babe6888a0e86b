"""Under which rights a server that refuses to be root runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from plaza.dev.processes.spawn import spawn

SAME = "same"
NOBODY = 65534
FOR_ROOT = ("nobody", "nobody+read_search", "nobody+override", "namespace")  # least first; see shim.py
CHANGE_OWNER_KILL_SETGID_SETUID = 1 << 0 | 1 << 5 | 1 << 6 | 1 << 7


class RightsError(Exception):
    """The message tells the person what to do."""


def take_rights(folders: Sequence[Path], trial: Sequence[str | Path], environment: Mapping[str, str]) -> str:
    """Makes the folders (0700), gives them to the least user under whom the command `trial` runs and can write there."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        for folder in folders:
            if folder.stat().st_uid != os.geteuid():
                raise RightsError(f"{folder} belongs to another user: run as that one, or remove {folder.parent}")
            folder.chmod(0o700)
        return SAME
    if sys.platform != "linux":
        raise RightsError("PostgreSQL refuses to run as root: run as an ordinary user")
    refusals = []
    for rights in FOR_ROOT:
        if (
            rights != "namespace"
            and _capabilities() & CHANGE_OWNER_KILL_SETGID_SETUID != CHANGE_OWNER_KILL_SETGID_SETUID
        ):
            continue
        try:
            for folder in folders:
                _give(folder, 0 if rights == "namespace" else NOBODY)
        except PermissionError as error:
            refusals.append(str(error))
            continue
        attempt = spawn(
            trial,
            environment=environment,
            output=subprocess.PIPE,
            death_signal=signal.SIGKILL,
            rights=rights,
            folder=folders[0],
        )
        said, _ = attempt.communicate()
        if attempt.returncode == 0:
            return rights
        refusals.append(said.decode(errors="replace").strip())
    reasons = "\n  ".join(refusals)
    raise RightsError(
        f"PostgreSQL refuses to run as root, and root's rights cannot be dropped here: run as an ordinary user\n  {reasons}"
    )


def _capabilities() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("CapEff:")[2].split()[0], 16)


def _give(folder: Path, owner: int) -> None:
    """Closed before it is given away. What lies within changes hands only when the folder does."""
    current = folder.stat().st_uid
    if current not in (0, NOBODY):
        raise RightsError(
            f"{folder} belongs to another user (uid {current}): run as that one, or remove {folder.parent}"
        )
    folder.chmod(0o700)
    if current != owner:
        for parent, inner, files in os.walk(folder):
            for name in (*inner, *files):
                os.chown(Path(parent, name), owner, owner, follow_symlinks=False)
        os.chown(folder, owner, owner)
