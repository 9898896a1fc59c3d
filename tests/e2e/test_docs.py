"""What the documentation says to type works: commands are run in a quick form, in the order of the page."""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cnnexp.cli import cli
from scripts.models_table import TARGET as MODELS_PAGE
from scripts.models_table import models_page
from scripts.settings_table import TARGET, settings_page

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
QUICK = ["--epochs", "1", "--figures", "none", "--log-model", "false", "--threads", "1"]
A_FIFTH = ["--fraction", "0.2"]
FEW_TRIALS = [*QUICK, *A_FIFTH, "--trials", "2", "--refit", "false", "--jobs", "1"]
QUICKLY = {
    "train": [*QUICK, *A_FIFTH],
    "tune": FEW_TRIALS,
    "conv race": ["--epochs", "1", "--threads", "1", "--algorithms", "im2col"],
    "sweep": [*QUICK, *A_FIFTH, "--seeds", "1", "--jobs", "1"],
    "conv bench": ["--rounds", "1"],
    "show": ["--no-measure"],
    "data inspect": ["--no-labels", "--force"],
    "experiment": [
        *("--quick", "--seeds", "1", "--threads", "1"),
        *("--override", "epochs=1", "--override", "fraction=0.02", "--override", "figures=none"),
    ],
}
NEEDS_FASHION_MNIST = {"fashion-mnist", "s1", "my.yaml"}
NO_SETS = "needs CIFAR-10, or a minute; tests/unit/published runs a small file of the same form"
ELSEWHERE = {
    **dict.fromkeys(("s0", "s2", "s3", "s4"), NO_SETS),
    "ui": "the browser tests start it",
    "folder:new-photos": "tests/unit/results/test_evaluate.py evaluates other photos",
    "cache": "it would clear the cache other tests read",
    "serve": "tests/e2e/use/test_serve.py starts it",
    "register": "the quick run logs no model; tests/e2e/use/test_register.py has one",
    "models:/vehicles@champion": "register makes it, which is tested there",
    "--pretrained": "tests/unit/experiment/test_weights.py has a stub of the download",
    "--engine": "tests/e2e/test_tune_dask.py starts a cluster",
}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def commands(page: Path) -> list[list[str]]:
    lines = [line for text in blocks(page, "bash") for line in text.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("cnnexp ")]


def write_named_files(page: Path) -> None:
    """Writes each block that begins with a comment of a file name (`# my_models.py`)."""
    for text in [*blocks(page, "python"), *blocks(page, "yaml")]:
        named = re.match(r"# (\w+\.\w+)\n", text)
        if named:
            Path(named[1]).write_text(text, encoding="utf-8")


@pytest.fixture
def _photos(shared_data: Path) -> None:
    """A few photos of each class, as `photos/<class>/<image>`."""
    for folder in (shared_data / "vehicles").iterdir():
        for image in sorted(folder.iterdir())[:40]:
            target = Path("photos") / folder.name / image.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(image, target)


@pytest.mark.usefixtures("ready_store", "_photos")
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_every_command_of_a_page_works(page: Path) -> None:
    write_named_files(page)
    for command in commands(page):
        if ELSEWHERE.keys() & set(command):
            continue
        if NEEDS_FASHION_MNIST & set(command) and not Path("/usr/share/datasets/fashion-mnist").is_dir():
            pytest.skip("needs the package dataset-fashion-mnist")
        quick = QUICKLY.get(" ".join(command[:2]), QUICKLY.get(command[0], []))
        if command[:2] == ["train", "--resume"]:
            quick = ["--epochs", "2"]  # the run before it has one
        elif command[0] == "train" and "folder:photos" in command:
            quick = QUICK  # a fifth of our few photos is less than a batch
        with pytest.raises(SystemExit) as ended:
            cli.main([*command, *quick], prog_name="cnnexp")
        assert ended.value.code in (0, None), command


@pytest.mark.usefixtures("ready_store")
def test_the_python_of_the_readme_works() -> None:
    (snippet,) = [text for text in blocks(ROOT / "README.md", "python") if "cnnexp.train(" in text]
    found: dict[str, object] = {}
    exec(snippet, found)
    assert getattr(found["probabilities"], "shape", None) == (2, 10)


@pytest.mark.usefixtures("ready_store")
def test_the_python_of_the_page_on_tuning_works() -> None:
    (snippet,) = blocks(ROOT / "docs" / "tuning.md", "python")
    found: dict[str, Any] = {}
    exec(snippet.replace("trials=40", "trials=2, epochs=1, fraction=0.2, jobs=1"), found)
    assert found["study"].command.startswith("cnnexp train --model convnet")


@pytest.mark.usefixtures("ready_store", "_photos")
def test_the_python_of_the_page_on_using_works(capsys: pytest.CaptureFixture[str]) -> None:
    page = ROOT / "docs" / "using.md"
    for command in commands(page):
        if command[0] == "train" or command[:2] == ["export", "vehicles"]:
            quick = QUICK if command[0] == "train" else []
            with pytest.raises(SystemExit):
                cli.main([*command, *quick], prog_name="cnnexp")
    capsys.readouterr()
    for snippet in blocks(page, "python"):
        exec(snippet, {})
    by_cnnexp, _, by_onnxruntime = capsys.readouterr().out.splitlines()
    assert by_cnnexp.split("'")[1] == by_onnxruntime.split()[0]


def test_the_tables_of_models_are_the_code_and_its_counts_the_published_ones() -> None:
    page = MODELS_PAGE.read_text(encoding="utf-8")
    assert page == models_page(page), "run python scripts/models_table.py"
    rows = re.findall(r"^\|.*× *\d+.* \| ([\d,]+) \| ([\d,]+) \| [\d,]+ \|$", page, re.MULTILINE)
    assert len(rows) > 20
    assert all(published == here for published, here in rows)


def test_the_settings_page_is_the_code() -> None:
    assert TARGET.read_text(encoding="utf-8") == settings_page(), "run python scripts/settings_table.py"


def test_every_link_of_a_page_leads_somewhere() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_changelog_knows_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()
