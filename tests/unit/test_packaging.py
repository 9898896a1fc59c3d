"""MLproject, conda.yaml, pyproject.toml and the settings say the same."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.projects import _project_spec, env_type  # the very reader of `mlflow run`; it has no public name
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from cnnexp.cli import cli
from cnnexp.cli.options import given_settings, option_name
from cnnexp.cli.train import train
from cnnexp.settings import Settings, TuneSettings, declarations, resolve

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONDA = yaml.safe_load((ROOT / "conda.yaml").read_text())
MLPROJECT = yaml.safe_load((ROOT / "MLproject").read_text())
REQUIREMENTS = [
    Requirement(line)
    for line in (
        *PYPROJECT["project"]["dependencies"],
        *PYPROJECT["project"]["optional-dependencies"]["test"],
    )
]
PARAMETER_TYPES = {str: "string", int: "int", float: "float"}


def load_project() -> Any:  # MLflow gives it no type
    return _project_spec.load_project(str(ROOT))  # type: ignore[no-untyped-call]  # as MLflow ships it


def settings_of_project_run(**parameters: str) -> Settings:
    """The settings that `mlflow run . -e train -P name=value` trains with."""
    command = load_project().get_entry_point("train").compute_command(parameters, None)
    program, *arguments = shlex.split(command)
    assert program == "cnnexp"
    with cli.make_context(program, arguments) as group:
        _, found, arguments = cli.resolve_command(group, arguments)
        assert found is train
        with train.make_context("train", arguments, parent=group) as context:
            return resolve(given_settings(context))


@pytest.mark.parametrize("entry_point", MLPROJECT["entry_points"])
def test_every_mlproject_parameter_is_a_setting_with_its_default(entry_point: str) -> None:
    parameters = MLPROJECT["entry_points"][entry_point]["parameters"]
    known = declarations(TuneSettings if entry_point == "tune" else Settings)
    assert len(parameters) <= 8, "MLflow logs them all with every run, quoted for the shell: keep them few"
    for name, parameter in parameters.items():
        default = known[name].default
        assert str(parameter["default"]) == str(default), name
        assert parameter["type"] == PARAMETER_TYPES[type(default)], name


@pytest.mark.parametrize("entry_point", MLPROJECT["entry_points"])
def test_every_mlproject_parameter_reaches_the_option_of_its_name(entry_point: str) -> None:
    point = MLPROJECT["entry_points"][entry_point]
    options = re.findall(r"(--[a-z-]+) \{(\w+)\}", point["command"])
    assert options == [(option_name(name), name) for name in point["parameters"]]


def test_a_project_run_trains_with_the_defaults_of_the_settings() -> None:
    assert settings_of_project_run() == Settings()


def test_a_project_run_passes_on_declared_and_other_parameters_unharmed() -> None:
    settings = settings_of_project_run(
        model="mlp",
        dataset="folder:my photos/of $HOME's 'cats'",
        lr="1e-3",
        batch_size="64",
        run_name="",
        experiment="two words",
        nesterov="True",
        shuffle="False",
        momentum="0.5",
        optimizer="sgd",
    )
    assert settings.network.model == "mlp"
    assert settings.data.dataset == "folder:my photos/of $HOME's 'cats'"
    assert settings.optimization.lr == 0.001
    assert settings.optimization.batch_size == 64
    assert settings.tracking.run_name is None
    assert settings.tracking.experiment == "two words"
    assert settings.optimization.nesterov is True
    assert settings.data.shuffle is False


def test_mlflow_run_builds_no_environment_for_this_project() -> None:
    assert not set(MLPROJECT) & set(env_type.ALL)
    assert load_project().env_type is None, "the way that the pinned MLflow reads it"


def test_mlflow_is_pinned_to_the_version_that_this_was_tested_with() -> None:
    (pin,) = [requirement for requirement in REQUIREMENTS if requirement.name == "mlflow"]
    assert str(pin.specifier) == f"=={version('mlflow')}"


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_the_tested_versions_are_within_the_declared_ranges(requirement: Requirement) -> None:
    assert requirement.specifier.contains(version(requirement.name), prereleases=True)


def test_conda_installs_the_dependencies_of_pyproject_on_the_oldest_python_it_allows() -> None:
    assert CONDA["name"] == MLPROJECT["name"] == PYPROJECT["project"]["name"]
    python, pip, from_pip = CONDA["dependencies"]
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert python == f"python={oldest}"
    assert pip == "pip"
    assert from_pip == {"pip": ["-e ."]}, "a second list of dependencies would go stale"
    assert PYPROJECT["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")


def test_this_python_is_one_that_pyproject_allows() -> None:
    here = ".".join(map(str, sys.version_info[:3]))
    assert SpecifierSet(PYPROJECT["project"]["requires-python"]).contains(here)


def test_the_version_is_written_once_more_only_in_the_package() -> None:
    import cnnexp

    declared: dict[str, Any] = PYPROJECT["project"]
    assert cnnexp.__version__ == declared["version"] == version("cnnexp")
