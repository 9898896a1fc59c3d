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


@pytest.mark.parametrize(
    ("code", "reason"),
    [("1 / 0\n", "ZeroDivisionError: division by zero"), ("raise SystemExit(3)\n", "SystemExit: 3")],
)
def test_a_broken_installed_package_is_said_once_and_stands_in_no_other_entrys_way(
    installed: Path, caplog: pytest.LogCaptureFixture, code: str, reason: str
) -> None:
    (installed / "their_things.py").write_text(code)
    things = make("cnnexp.things")
    things.add("ours", 1)
    assert (things.get("ours"), things.names(), "theirs" in things) == (1, ("ours",), False)
    (record,) = caplog.records
    assert record.name == "cnnexp"
    assert f"'theirs' (their_things) fails to import: {reason}; mend" in record.message
    with pytest.raises(
        UnknownNameError, match=rf"unknown thing 'theirs'.*'theirs' .* {reason}; mend .* Look"
    ):
        things.get("theirs")


def test_a_load_that_was_interrupted_is_done_at_the_next_look_up() -> None:
    tries: list[int] = []

    def load() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise KeyboardInterrupt
        things.add("ours", 1)

    things: Registry[int] = Registry("thing", entry_point_group="cnnexp.none", load_builtin=load, way_out="")
    with pytest.raises(KeyboardInterrupt):
        things.names()
    assert things.names() == ("ours",)


def test_a_plug_in_may_look_things_up_while_it_is_loaded(installed: Path) -> None:
    (installed / "their_things.py").write_text(
        "import sys\nthings = sys.modules['things_under_test']\nthings.add('more', len(things.names()))\n"
    )
    things = make("cnnexp.things")
    things.add("ours", 1)
    sys.modules["things_under_test"] = things  # type: ignore[assignment]  # how the made package reaches it
    try:
        assert things.names() == ("more", "ours")
    finally:
        del sys.modules["things_under_test"]
        sys.modules.pop("their_things", None)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [("x = (\n", r"SyntaxError.*line 1"), ("\n\n1 / 0\n", r"ZeroDivisionError: division by zero \(line 3\)")],
)
def test_a_plug_in_that_fails_says_where_and_why(tmp_path: Path, code: str, sentence: str) -> None:
    (tmp_path / "broken.py").write_text(code)
    with pytest.raises(UserError, match=sentence):
        load_plugin("broken.py")


def test_a_syntax_error_says_its_line_once(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("x = (\n")
    with pytest.raises(UserError) as caught:
        load_plugin("broken.py")
    assert str(caught.value).count("line 1") == 1


def test_a_module_of_this_folder_is_a_plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    (tmp_path / "module_of_this_folder.py").write_text("seen = True\n")
    load_plugin("module_of_this_folder")
    assert sys.modules.pop("module_of_this_folder").seen


def test_an_alias_finds_the_entry_that_is_listed_under_its_own_name() -> None:
    things = make()
    things.add("resnet18", 18, aliases=("resnet-18", "resnet"))
    assert (things.get("resnet"), "resnet-18" in things, things.names()) == (18, True, ("resnet18",))
    assert things.aliases("resnet18") == ("resnet-18", "resnet")
    with pytest.raises(UserError, match=r"thing 'resnet' is already registered \(it is 'resnet18'\)"):
        things.add("mine", 1, aliases=("resnet",))
    assert "mine" not in things
    things.remove("resnet18")
    things.add("resnet", 1)
    assert (things.get("resnet"), things.aliases("resnet")) == (1, ())


def test_the_nearest_name_may_be_an_alias_and_the_list_has_names_only() -> None:
    things = make()
    things.add("googlenet", 1, aliases=("inception-v1",))
    with pytest.raises(UnknownNameError, match=r"did you mean 'inception-v1'\? Known: googlenet\. "):
        things.get("inception-v2")
