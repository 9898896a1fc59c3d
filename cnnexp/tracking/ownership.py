"""Which process a run belongs to, where that was started, and whether it is still alive."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Mapping
from functools import cache
from pathlib import Path

PID = "cnnexp.pid"
PID_STARTED = "cnnexp.pid_started"
HOST = "cnnexp.host"
HOST_KEY = "cnnexp.host_key"
FOLDER = "cnnexp.folder"  # the working folder


@cache
def host_key() -> str:
    """Returns 16 hex digits that name this machine and this process-id namespace.

    Two containers can share a host name, and two machines an image's machine-id: a process id means the same
    process only where all three agree.
    """
    facts = [socket.gethostname()]
    try:
        facts.append(Path("/etc/machine-id").read_text(encoding="ascii").strip())
    except OSError:  # not Linux, or a bare container
        facts.append("")
    try:
        facts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    except OSError:
        facts.append("")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def own_tags() -> dict[str, str]:
    """Returns the tags by which another process can tell whose run it is."""
    import psutil

    pid = os.getpid()
    return {
        PID: str(pid),
        PID_STARTED: f"{psutil.Process(pid).create_time():.2f}",
        HOST: socket.gethostname(),
        HOST_KEY: host_key(),
        FOLDER: str(Path.cwd()),
    }


def is_here(tags: Mapping[str, str]) -> bool:
    """True where the run's process ids are this machine's."""
    return tags.get(HOST_KEY) == host_key() and PID in tags


def is_alive(tags: Mapping[str, str]) -> bool:
    """True where the process that owns the run still runs; ask only of runs for which `is_here` holds.

    A process id is used again sooner or later: the start time must agree too.
    """
    import psutil

    try:
        process = psutil.Process(int(tags[PID]))
        started = f"{process.create_time():.2f}"
        return started == tags.get(PID_STARTED) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:  # it exists and is another user's
        return True
    except (psutil.NoSuchProcess, ValueError):
        return False


def is_own(tags: Mapping[str, str]) -> bool:
    """True where this very process owns the run."""
    return is_here(tags) and tags[PID] == str(os.getpid()) and is_alive(tags)
