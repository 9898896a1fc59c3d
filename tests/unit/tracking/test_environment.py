from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnnexp.tracking import environment


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "code.py").write_text("lr = 0.1\n", encoding="utf-8")
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def test_uncommitted_change_is_kept_as_a_patch(repository: Path) -> None:
    clean = environment.git_state(repository)
    (repository / "code.py").write_text("lr = 0.2\n", encoding="utf-8")
    changed = environment.git_state(repository)
    assert clean is not None
    assert changed is not None
    assert clean.diff == ""
    assert len(clean.commit) == 40
    assert changed.commit == clean.commit
    assert "+lr = 0.2" in changed.diff


def test_huge_diff_is_cut_and_says_so(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_DIFF_LIMIT_BYTES", 20)
    (repository / "code.py").write_text("lr = 0.2\n" * 9, encoding="utf-8")
    state = environment.git_state(repository)
    assert state is not None
    assert "[cut: " in state.diff


def test_folder_without_repository_and_machine_without_git_have_no_state(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert environment.git_state(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert environment.git_state(repository) is None


def test_command_line_can_be_pasted_and_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [
        "/somewhere/bin/cnnexp",
        "train",
        "--run-name",
        "my run",
        "--tracking-uri",
        "http://me:secret@host:1",
    ]
    monkeypatch.setattr(sys, "argv", words)
    assert environment.command_line() == "cnnexp train --run-name 'my run' --tracking-uri http://***@host:1"


def test_python_module_is_named_as_it_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/cnnexp/__main__.py", "train"])
    assert environment.command_line() == "python -m cnnexp train"


def test_versions_are_those_installed_and_absent_packages_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environment, "PACKAGES", ("numpy", "no-such-package"))
    versions = environment.package_versions()
    assert versions.keys() == {"python", "numpy"}


def test_machine_facts_do_not_load_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    facts = environment.machine_facts()
    assert "torch" not in sys.modules
    assert float(facts["memory_gib"]) > 0
    assert "gpus" not in facts


def test_description_is_files_that_read_back(repository: Path) -> None:
    (repository / "code.py").write_text("lr = 0.3\n", encoding="utf-8")
    files = environment.describe(repository)
    assert files.keys() == {"command.txt", "packages.json", "machine.json", "commit.txt", "uncommitted.diff"}
    assert "mlflow" in json.loads(files["packages.json"])


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1000870000")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert environment.user_name() == str(os.getuid())
