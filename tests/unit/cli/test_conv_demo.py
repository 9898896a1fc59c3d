from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cnnexp.cli import cli
from cnnexp.cli.conv import EXPERIMENTS
from cnnexp.errors import UserError


def demo(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["conv", "demo", *arguments], catch_exceptions=False)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_help_of_the_laboratory_is_what_it_was(experiment: str, golden: Callable[[str, str], None]) -> None:
    result = CliRunner().invoke(cli, ["conv", experiment, "--help"], prog_name="cnnexp", terminal_width=100)
    assert result.exit_code == 0
    golden(f"help_conv_{experiment}.txt", result.output)


def test_the_worked_example_is_shown_step_by_step(golden: Callable[[str, str], None]) -> None:
    golden("conv_demo.txt", demo().output)


def test_the_end_compares_with_torch() -> None:
    shown = demo("--padding", "1", "--stride", "2", "--flip").output
    assert shown.splitlines()[-1] == (
        "result [[1, 5], [3, 6]]; torch.nn.functional.conv2d of the flipped kernel: the same"
    )


def test_a_page_loads_nothing_and_holds_every_step() -> None:
    assert demo("--padding", "1", "--html", "page.html").exit_code == 0
    page = Path("page.html").read_text(encoding="utf-8")
    assert not re.search(r"""https?://|\bsrc=|<link|@import|url\(""", page)
    found = re.search(r"^const data = (.*);$", page, re.MULTILINE)
    assert found is not None
    data = json.loads(found[1])
    assert [step["total"] for step in data["steps"]][:3] == ["-1", "-3", "-5"]
    assert len(data["steps"]) == 16


def test_a_page_is_overwritten_only_with_force() -> None:
    Path("page.html").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"page.html exists; overwrite it with --force"):
        demo("--html", "page.html")
    assert Path("page.html").read_text(encoding="utf-8") == "mine"
    demo("--html", "page.html", "--force")
    assert "<!doctype html>" in Path("page.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"nowhere/page.html cannot be written: No such file"):
        demo("--html", "nowhere/page.html")


def test_a_number_out_of_range_names_the_option() -> None:
    result = CliRunner().invoke(cli, ["conv", "demo", "--stride", "0"])
    assert (result.exit_code, "0 is not in the range" in result.output) == (2, True)
