from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnexp.errors import SettingsError, UserError
from cnnexp.settings import Given, Settings, declarations, from_environment, read_settings_file, resolve
from cnnexp.settings.yaml_file import write_settings


def given_as(origin: str = "--x", /, **values: object) -> dict[str, Given]:
    return {name: Given(value, origin) for name, value in values.items()}


def fault_of(**values: object) -> str:
    with pytest.raises(SettingsError) as caught:
        resolve(given_as("--x", **values))
    return str(caught.value)


def test_the_last_layer_wins_over_the_one_before() -> None:
    settings = resolve(given_as(lr=0.1, epochs=3), given_as(lr="0.2"))
    assert (settings.optimization.lr, settings.training.epochs) == (0.2, 3)


def test_every_fault_is_reported_together_with_its_origin() -> None:
    with pytest.raises(SettingsError) as caught:
        resolve(given_as("exp.yaml line 3", optimizer="adm"), given_as("--lr", lr="nan"), given_as(epohcs=3))
    text = str(caught.value)
    assert text.startswith("3 settings are wrong")
    assert "optimizer = 'adm' (exp.yaml line 3)" in text
    assert "did you mean 'adam'" in text
    assert "lr = 'nan' (--lr): must be a finite number" in text
    assert "did you mean 'epochs'" in text


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("batch_size", "0", "at least 1"),
        ("batch_size", "-4", "at least 1"),
        ("lr", "0", "more than 0"),
        ("lr", "-1", "more than 0"),
        ("lr", "inf", "finite"),
        ("epochs", "0", "at least 1"),
        ("epochs", "1.5", "whole number"),
        ("compile", "ja", "true or false"),
        ("max_time", "soon", "90s, 5m or 1h30m"),
        ("image_size", "0", "size in pixels"),
        ("image_size", "3x4x5", "size in pixels"),
        ("val_fraction", "1", "less than 1"),
        ("patience", "0", "at least 1"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(name: str, value: str, rule: str) -> None:
    text = fault_of(**{name: value})
    assert f"{name} = {value!r} (--x)" in text
    assert rule in text


def test_warm_up_must_end_before_the_run() -> None:
    assert "fewer than the 3 epochs" in fault_of(warmup_epochs=3, epochs=3)


def test_nesterov_without_momentum_is_refused() -> None:
    assert "momentum above 0" in fault_of(optimizer="sgd", nesterov=True, momentum=0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1d", 86400), ("0.5h", 1800)],
)
def test_times_are_written_as_people_write_them(text: str, seconds: float) -> None:
    assert resolve(given_as(max_time=text)).training.max_time == seconds


@pytest.mark.parametrize(
    ("value", "size"), [("64", (64, 64)), (64, (64, 64)), ("64x48", (64, 48)), ([8, 9], (8, 9))]
)
def test_an_image_size_is_height_then_width(value: object, size: tuple[int, int]) -> None:
    assert resolve(given_as(image_size=value)).data.image_size == size


def test_an_empty_text_means_not_given_where_nothing_is_a_value() -> None:
    settings = resolve(given_as(run_name="", patience="", image_size="", tracking_uri=""))
    assert settings.tracking.run_name is None
    assert settings.training.patience is None


def test_environment_variables_stand_between_default_and_command_line() -> None:
    layer = from_environment({"CNNEXP_LR": "0.3", "CNNEXP_EPOCHS": "", "OTHER": "1", "CNNEXP_CACHE_DIR": "x"})
    assert layer == {"lr": Given("0.3", "CNNEXP_LR")}
    with pytest.raises(SettingsError, match=r"epohcs .*CNNEXP_EPOHCS.*did you mean 'epochs'"):
        resolve(from_environment({"CNNEXP_EPOHCS": "3"}))


def test_every_setting_can_stand_in_the_environment() -> None:
    settings = resolve(from_environment({"CNNEXP_PLUGIN": "my.py", "CNNEXP_MODEL_ARGS": "{kernel_size: 5}"}))
    assert settings.plugins.plugin == ("my.py",)
    assert settings.network.model_args == {"kernel_size": 5}


def test_a_written_settings_file_reads_back_to_the_same_settings(tmp_path: Path) -> None:
    settings = resolve(given_as(image_size="32x48", max_time="5m", model_args={"widths": [4, 8]}, lr="1e-5"))
    path = tmp_path / "settings.yaml"
    path.write_text(write_settings(settings), encoding="utf-8")
    assert resolve(read_settings_file(path)) == settings


@given(st.floats(1e-6, 100), st.integers(1, 10**6), st.sampled_from(["adam", "sgd", "rmsprop"]))
def test_any_legal_settings_survive_the_file(lr: float, batch_size: int, optimizer: str) -> None:
    import yaml

    settings = resolve(given_as(lr=lr, batch_size=batch_size, optimizer=optimizer))
    again = {name: Given(value, "file") for name, value in yaml.safe_load(write_settings(settings)).items()}
    assert resolve(again) == settings


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lr: 0.1\noptimzer: sgd\n", "optimzer (bad.yaml line 2)"),
        ("lr: 0.1\n\tx: 3\n", "bad.yaml line 2: not valid YAML"),
        ("- lr\n", "`name: value`"),
        ("lr: 1\nlr: 2\n", "given twice"),
    ],
)
def test_a_fault_in_a_file_names_file_and_line(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        resolve(read_settings_file(path))
    assert sentence in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no-such\.yaml"):
        read_settings_file(tmp_path / "no-such.yaml")


def test_numbers_that_yaml_takes_for_text_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_text("lr: 1e-3\n", encoding="utf-8")
    assert resolve(read_settings_file(path)).optimization.lr == 0.001


def test_every_setting_has_help_and_a_default() -> None:
    for declaration in declarations().values():
        assert declaration.field.description, declaration.name
        assert not declaration.field.is_required(), declaration.name


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().training.epochs = 3  # type: ignore[misc]  # what the test is about
