"""Bad input: one sentence, and no run."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow import MlflowClient

import cnnexp
from cnnexp.errors import SettingsError, UserError
from tests.e2e.runs import QUICK, runs_of

pytestmark = pytest.mark.usefixtures("ready_store")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"model": "lennet"}, "did you mean 'lenet'"),
        ({"dataset": "digit"}, "did you mean 'digits'"),
        ({"optimizer": "adm"}, "did you mean 'adam'"),
        ({"epohcs": 3}, "did you mean 'epochs'"),
        ({"batch_size": 0}, "at least 1"),
        ({"lr": float("nan")}, "finite"),
        ({"epochs": 0}, "at least 1"),
        ({"image_size": 8}, "lenet cannot take 8×8 images.*--image-size 16"),
        (
            {"batch_size": 1, "model": "convnet", "image_size": 5, "model_args": {"widths": [4, 4]}},
            "batch size 1 leaves layer norm2",
        ),
        ({"batch_size": 5000}, "training part has .* use --batch-size"),
        ({"dataset": "folder:nowhere"}, "nowhere"),
        ({"model_args": {"activaton": "relu"}}, "did you mean 'activation'"),
        ({"model": "convnet", "model_args": {"widths": "abc"}}, r"widths = 'abc' .*list such as \[32, 64\]"),
        ({"device": "cuda:9"}, "not available"),
        ({"plugin": ("none.py",)}, "none.py"),
        ({"plugin": ("no_such_module",)}, "no_such_module"),
        ({"config": "none.yaml"}, "none.yaml"),
        ({"resume": "nobody"}, "nobody"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_no_run(
    client: MlflowClient, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        cnnexp.train(**settings)
    assert caught.value.exit_code == 2
    assert not runs_of(client)


def test_what_is_asked_for_by_name_must_have_an_effect() -> None:
    with pytest.raises(SettingsError, match=r"momentum = 0.5 .*has no effect with optimizer adam"):
        cnnexp.train(**QUICK, momentum=0.5)
