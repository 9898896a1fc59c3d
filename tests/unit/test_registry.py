from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cnnexp.errors import UnknownNameError, UserError
from cnnexp.plugins import load_plugin
from cnnexp.registry import Registry


def make(group: str = "cnnexp.none") -> Registry[int]:
    return Registry("thing", entry_point_group=group, load_builtin=lambda: None, way_out="Look elsewhere.")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with an entry point of the group `cnnexp.things`."""
    site = tmp_path / "site"
    info = site / "theirs-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[cnnexp.things]\ntheirs = their_things\n")
    monkeypatch.syspath_prepend(str(site))
    return site


def test_a_name_is_registered_once() -> None:
    things = make()
    things.add("one", 1)
    with pytest.raises(UserError, match="thing 'one' is already registered"):
        things.add("one", 2)
    assert (things.get("one"), things.names(), "two" in things) == (1, ("one",), False)


def test_an_unknown_name_gets_the_nearest_and_the_list() -> None:
    things = make()
    things.add("lenet", 1)
    with pytest.raises(
        UnknownNameError, match=r"unknown thing 'lennet'; did you mean 'lenet'\? Known: lenet\. Look"
    ):
        things.get("lennet")


def test_installed_packages_are_asked_at_the_first_look_up(installed: Path) -> None:
    (installed / "their_things.py").write_text(
        "import sys\nsys.modules['things_under_test'].add('theirs', 7)\n"
    )
    things = make("cnnexp.things")
    sys.modules["things_under_test"] = things  # type: ignore[assignment]  # how the made package reaches it
    try:
        assert things.get("theirs") == 7
    finally:
        del sys.modules["things_under_test"]
        sys.modules.pop("their_things", None)


def test_a_broken_installed_package_is_named(installed: Path) -> None:
    (installed / "their_things.py").write_text("1 / 0\n")
    with pytest.raises(UserError, match=r"'theirs' .* ZeroDivisionError: division by zero; mend"):
        make("cnnexp.things").names()


@pytest.mark.parametrize(
    ("code", "sentence"),
    [("x = (\n", r"SyntaxError.*line 1"), ("\n\n1 / 0\n", r"ZeroDivisionError: division by zero \(line 3\)")],
)
def test_a_plug_in_that_fails_says_where_and_why(tmp_path: Path, code: str, sentence: str) -> None:
    (tmp_path / "broken.py").write_text(code)
    with pytest.raises(UserError, match=sentence):
        load_plugin("broken.py")


def test_a_module_of_this_folder_is_a_plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    (tmp_path / "module_of_this_folder.py").write_text("seen = True\n")
    load_plugin("module_of_this_folder")
    assert sys.modules.pop("module_of_this_folder").seen
