"""What a run needs to be repeated: versions, machine, commit, uncommitted changes, the exact command."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "cnnexp",
    "torch",
    "torchvision",
    "numpy",
    "mlflow",
    "matplotlib",
    "optuna",
    "pillow",
    "safetensors",
    "scikit-learn",
)
_GIT_SECONDS = 10
_DIFF_LIMIT_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class GitState:
    """Where a working folder stands.

    Attributes:
        commit: the full hash.
        diff: uncommitted changes of tracked files, as a patch; empty for a clean tree.
    """

    commit: str
    diff: str


def describe(folder: Path | None = None) -> dict[str, str]:
    """Returns all of this module's facts as small files: name to text.

    Args:
        folder: whose repository is meant; the working folder by default.
    """
    files = {
        "command.txt": command_line() + "\n",
        "packages.json": json.dumps(package_versions(), indent=2) + "\n",
        "machine.json": json.dumps(machine_facts(), indent=2, ensure_ascii=False) + "\n",
    }
    state = git_state(folder or Path.cwd())
    if state is not None:
        files["commit.txt"] = state.commit + "\n"
    if state is not None and state.diff:
        files["uncommitted.diff"] = state.diff
    return files


def package_versions() -> dict[str, str]:
    """Returns the installed versions of the packages that a result can depend on, without importing them."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine_facts() -> dict[str, str]:
    """Returns CPU, cores, memory, system and GPUs as text; GPUs only where torch is loaded already."""
    import psutil

    facts = {
        "cpu": _cpu_model(),
        "cores": f"{psutil.cpu_count(logical=False) or '?'} ({os.cpu_count()} threads)",
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "os": platform.platform(),
        "python": platform.python_version(),
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        facts["gpus"] = ", ".join(
            torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())
        )
    return facts


def user_name() -> str:
    """Returns who runs this: the login name, or the number of a user without one (in containers, say)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def git_state(folder: Path) -> GitState | None:
    """Returns commit and uncommitted diff of the repository around a folder; None where there is none."""
    commit = git_commit(folder)
    if commit is None:
        return None
    diff = _git(folder, "diff", "HEAD", "--no-ext-diff", "--no-color") or ""
    if len(diff) > _DIFF_LIMIT_BYTES:
        diff = f"{diff[:_DIFF_LIMIT_BYTES]}\n[cut: {len(diff)} characters in all]\n"
    return GitState(commit=commit, diff=diff)


def git_commit(folder: Path) -> str | None:
    """Returns the hash that a folder's repository is at; None without git, repository or commit."""
    commit = _git(folder, "rev-parse", "HEAD")
    return None if commit is None else commit.strip()


def command_line() -> str:
    """Returns the command of this process, quoted for a shell; passwords within addresses are left out."""
    program = Path(sys.argv[0]).name
    if program == "__main__.py":
        program = f"python -m {Path(sys.argv[0]).parent.name}"
        words = [program, *map(shlex.quote, sys.argv[1:])]
    else:
        words = [shlex.quote(word) for word in (program, *sys.argv[1:])]
    return without_passwords(" ".join(words))


def without_passwords(text: str) -> str:
    """Returns the text with `user:password@` of addresses replaced by `***@`."""
    return re.sub(r"(?<=://)[^/@\s'\"]*:[^/@\s'\"]*@", "***@", text)


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, timeout=_GIT_SECONDS, check=True
        )
    except (
        OSError,
        subprocess.SubprocessError,
    ):  # no git, no repository, no commit yet, or a hung network disk
        return None
    return result.stdout.decode("utf-8", errors="replace")


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def source_tags(*, with_commit: bool) -> dict[str, str]:
    """Returns what MLflow's page shows as user and source."""
    tags = {
        "mlflow.user": user_name(),
        "mlflow.source.name": Path(sys.argv[0]).name,
        "mlflow.source.type": "LOCAL",
    }
    commit = git_commit(Path.cwd()) if with_commit else None  # git costs 10 ms
    return tags if commit is None else {**tags, "mlflow.source.git.commit": commit}
