from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cnnexp.cli import COMMANDS, cli, main
from cnnexp.cli.options import given_settings
from cnnexp.cli.train import train
from cnnexp.errors import SettingsError, UserError
from cnnexp.settings import resolve


def given(*arguments: str) -> dict[str, object]:
    """What the command line of `cnnexp train` hands to the settings."""
    with (
        cli.make_context("cnnexp", ["train", *arguments]) as group,
        train.make_context("train", list(arguments), parent=group) as context,
    ):
        return {name: one.value for name, one in given_settings(context).items()}


def test_only_what_is_typed_is_given() -> None:
    assert given() == {}
    assert given("--lr", "1e-3") == {"lr": "1e-3"}


def test_underscores_are_hyphens() -> None:  # `mlflow run -P batch_size=8` passes --batch_size 8
    assert given("--batch_size", "8", "--log_model", "False") == {"batch_size": "8", "log_model": "False"}


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        (["--compile"], True),
        (["--compile", "true"], True),
        (["--compile", "False"], False),
        (["--no-compile"], False),
        (["--compile", "--epochs", "3"], True),
    ],
)
def test_booleans_are_flags_and_values(typed: list[str], value: bool) -> None:
    context = train.make_context("train", typed, parent=cli.make_context("cnnexp", ["train"]))
    assert resolve(given_settings(context)).compute.compile is value


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        (["--pretrained"], True),
        (["--pretrained", "--freeze"], True),
        (["--pretrained", "my weights.pth"], "my weights.pth"),
        (["--no-pretrained"], False),
        ([], False),
    ],
)
def test_pretrained_is_a_flag_or_takes_a_file(typed: list[str], value: object) -> None:
    context = train.make_context("train", typed, parent=cli.make_context("cnnexp", ["train"]))
    assert resolve(given_settings(context)).network.pretrained == value


def test_model_arguments_are_read_as_yaml() -> None:
    typed = [
        "--set",
        "widths=[32,64]",
        "--set",
        "kernel-size=5",
        "--set",
        "activation=relu",
        "--tag",
        "a=1=2",
    ]
    assert given(*typed) == {
        "model_args": {"widths": [32, 64], "kernel_size": 5, "activation": "relu"},
        "tags": {"a": "1=2"},
    }


def test_a_pair_without_its_sign_is_refused() -> None:
    with pytest.raises(SettingsError, match="must be NAME=VALUE"):
        given("--set", "widths")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_what_it_was(command: str, golden: Callable[[str, str], None]) -> None:
    result = CliRunner().invoke(cli, [command, "--help"], prog_name="cnnexp", terminal_width=100)
    assert result.exit_code == 0
    golden(f"help_{command}.txt", result.output)


def test_the_list_of_commands_is_true() -> None:
    for name, text in COMMANDS.items():
        with click.Context(cli) as context:
            command = cli.get_command(context, name)
        assert command is not None
        assert command.help
        assert text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["trian"], "unknown command 'trian'; did you mean 'train'?"),
        (["train", "--modle", "lenet"], "--modle"),
        (["runs", "--number", "0"], "0 is not in the range"),
    ],
)
def test_a_wrong_command_line_ends_with_exit_code_2(
    arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cnnexp", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


NEEDS_ARGUMENTS = [
    *("report", "evaluate", "predict", "export", "serve", "register", "reproduce", "look"),
    *("experiment", "show", "data inspect", "studies delete", "compare"),
]


def commands_of(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command with its words, those of groups in groups too."""
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield " ".join([*before, name]), command
            if isinstance(command, click.Group):
                yield from commands_of(command, (*before, name))


def test_the_commands_that_need_an_argument_are_these() -> None:
    needy = {
        words
        for words, command in commands_of(cli)
        if any(isinstance(one, click.Argument) and one.required for one in command.params)
    }
    assert needy | {"compare"} == set(NEEDS_ARGUMENTS)  # compare can do with options


@pytest.mark.parametrize("command", NEEDS_ARGUMENTS)
def test_an_argument_that_is_missing_is_said_with_what_is_allowed_and_an_example(command: str) -> None:
    result = CliRunner().invoke(cli, command.split(), prog_name="cnnexp")
    assert isinstance(result.exception, UserError)
    said = str(result.exception)
    assert re.match(r"[A-Z|.yaml]+ is missing: give ", said)
    assert f"For example: cnnexp {command} " in said
    if "RUN is" in said:
        assert all(word in said for word in ("run id", "the start of one", "name", "last", "best", "URI"))


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("experiment s11", "unknown experiment 's11'"),
        ("experiment none.yaml", "cannot read the experiment file 'none.yaml'"),
        ("experiment s1 --seeds 0", "--seeds 0 must be at least 1"),
        ("experiment s1 --arms lenett", "unknown arm 'lenett'"),
        ("experiment s1 --dataset digits", "several data sets; say which"),
        ("compare a b", "No store at"),
        ("compare a b -o table.txt", "must end with .csv or .md or .tex"),
        ("evaluate a", "No store at"),
        ("reproduce a", "No store at"),
    ],
)
def test_what_can_be_refused_at_once_is_refused_before_anything_heavy_is_loaded(
    command: str, sentence: str
) -> None:
    code = (
        "import sys\nfrom cnnexp.cli import cli\nfrom cnnexp.errors import UserError\n"
        "try: cli(sys.argv[1:], standalone_mode=False)\n"
        "except UserError as error: print(error)\n"
        "assert not {'torch', 'mlflow', 'optuna', 'sklearn', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command.split()], check=True, capture_output=True, text=True
    )
    assert sentence in done.stdout


@pytest.mark.parametrize("command", ["models", "datasets", "runs", "doctor", "cache"])
@pytest.mark.usefixtures("ready_store")
def test_the_lists_answer(command: str) -> None:
    result = CliRunner().invoke(cli, [command])
    assert result.exit_code == 0, result.output
    expected = {
        "models": "lenet5, lenet-5",
        "datasets": "fashion-mnist",
        "runs": "No runs",
        "doctor": "torch",
        "cache": "0 sets",
    }
    assert expected[command] in result.output


def test_the_list_of_models_has_the_arguments_that_set_takes_and_loads_no_torchvision() -> None:
    code = (
        "import sys, contextlib\nfrom cnnexp.cli import cli\n"
        "with contextlib.suppress(SystemExit): cli(['models'])\n"
        "assert 'torchvision' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    (vgg,) = [line for line in done.stdout.splitlines() if line.startswith("vgg ")]
    assert "blocks=[[1,64],[1,128],[2,256],[2,512],[2,512]] width_divisor=1 batch_norm=false" in vgg


def test_the_counts_of_models_are_shown_where_the_images_are_large_enough() -> None:
    result = CliRunner().invoke(cli, ["models", "--counts"])
    rows = {line.split()[0]: line.split()[1:] for line in result.output.splitlines()}
    assert rows["lenet"][:4] == ["44,426", "281,640", "62,006", "651,720"]
    assert rows["vgg11"][:3] == ["–", "–", "28,144,010"]


@pytest.mark.parametrize("command", ["runs", "doctor"])
def test_who_only_looks_makes_no_store(command: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, [command])
    assert result.exit_code == 0, result.output
    assert f"No store at {tmp_path}/mlflow.db yet; `cnnexp train` makes it" in result.output
    assert not list(tmp_path.glob("mlflow.db*"))


@pytest.mark.parametrize("name", ["torch", "torchvision"])
def test_the_doctor_finds_a_package_that_cannot_be_imported(name: str, tmp_path: Path) -> None:
    broken = tmp_path / "site" / name
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise OSError('libcudart.so.12: no such file')\n")
    command = [sys.executable, "-c", "from cnnexp.cli import main; main()", "doctor"]
    environment = {**os.environ, "PYTHONPATH": str(broken.parent)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stderr
    assert f"wrong: {name} cannot be imported (OSError: libcudart.so.12: no such file)" in result.stdout
    assert "\n1 problem(s)" in result.stdout
    assert "Data\n  cifar10" in result.stdout  # the other sections are shown all the same
    assert "Traceback" not in result.stderr


def test_clearing_the_cache_says_what_it_freed() -> None:
    result = CliRunner().invoke(cli, ["cache", "clear"])
    assert (result.exit_code, "freed" in result.output) == (0, True)


def test_help_of_a_command_needs_no_torch() -> None:
    code = (
        "import sys, contextlib\nfrom cnnexp.cli import cli\n"
        "with contextlib.suppress(SystemExit): cli(['train', '--help'])\n"
        "assert not {'torch', 'mlflow', 'optuna', 'sklearn', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
