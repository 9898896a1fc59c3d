from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput

import cnnexp
from cnnexp.cli import cli
from cnnexp.errors import TrackingError, UserError
from cnnexp.results.rebuild import rebuild
from cnnexp.results.recorded import find_recorded
from cnnexp.tracking.model_registry import register_version, uri_of_model
from cnnexp.tracking.model_uri import logged_model
from cnnexp.tracking.store import open_store

QUICK: dict[str, Any] = {"epochs": 2, "fraction": 0.3, "figures": "none", "dataset": "digits", "threads": 1}


@pytest.mark.parametrize("permute_pixels", [False, True])
def test_what_was_recorded_is_what_training_found(ready_store: str, permute_pixels: bool) -> None:
    result = cnnexp.train(**QUICK, log_model=False, permute_pixels=permute_pixels)
    recorded = find_recorded(open_store(ready_store), "last")
    assert (recorded.run_id, recorded.label) == (result.run_id, result.run_name)
    assert recorded.settings.flat() == result.settings.flat()
    assert recorded.data.class_names == result.class_names
    assert [row["epoch"] for row in recorded.epochs] == [1, 2]
    assert recorded.epochs[1]["val_loss"] == result.history[1].val_loss
    assert result.test is not None
    assert (recorded.matrix == result.test.matrix).all()
    assert (recorded.predictions.predicted == result.test.predicted).all()
    images = torch.randint(0, 256, (5, 1, 28, 28), dtype=torch.uint8)
    rebuilt = rebuild(recorded)
    assert result.model is not None
    with torch.no_grad():
        torch.testing.assert_close(rebuilt.classifier()(images), result.model(images))
    assert rebuilt.frame.num_bytes == 28 * 28


def test_a_run_is_found_as_the_best_and_by_the_uri_of_its_model(ready_store: str) -> None:
    store = open_store(ready_store)
    good = cnnexp.train(**QUICK)
    bad = cnnexp.train(**{**QUICK, "epochs": 1, "lr": 1e-6}, log_model=False)
    client: MlflowClient = store.client
    assert good.model_uri is not None
    client.create_registered_model("digits")
    version = client.create_model_version("digits", good.model_uri, model_id=good.model_uri.split("/")[1])
    client.set_registered_model_alias("digits", "champion", version.version)
    names = {
        *("best", good.model_uri, f"runs:/{good.run_id}/model"),
        *("models:/digits@champion", "models:/digits/1", "models:/digits/latest"),
    }
    assert {store.find_run(name) for name in names} == {good.run_id}
    assert store.find_run("last") == bad.run_id
    for wrong in ("models:/digits@best", "models:/digits/7", "models:/other/latest", "runs:/abc/model"):
        with pytest.raises(TrackingError, match=re.escape(wrong)):
            store.find_run(wrong)
    with pytest.raises(TrackingError, match="models:/NAME@ALIAS"):
        store.find_run("models:/digits")


def test_a_model_of_a_run_that_went_on_is_itself_and_not_its_successor(
    ready_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = cnnexp.train(**QUICK)
    new = cnnexp.train(resume=old.run_id, epochs=5)
    assert old.model_uri is not None
    assert new.model_uri is not None
    assert old.metrics["best/epoch"] < new.metrics["best/epoch"]
    store = open_store(ready_store)
    register_version(store, store.find_model(old.model_uri), "digits", alias=None)
    register_version(store, store.find_model(old.run_id), "digits", alias="champion")
    served: list[str] = []
    monkeypatch.setattr("cnnexp.cli.serve._serve", lambda *given, **_: served.append(given[1]))
    for uri, expected in {"models:/digits/1": old, "models:/digits@champion": new}.items():
        assert uri_of_model(store, store.find_model(uri)) == expected.model_uri
        served.clear()
        CliRunner().invoke(cli, ["serve", uri], catch_exceptions=False)
        assert served == [expected.model_uri]
    assert rebuild(find_recorded(store, "models:/digits/2")).epoch == new.metrics["best/epoch"]
    with pytest.raises(UserError, match=rf"is of epoch 2, .*`cnnexp serve {old.model_uri}` .*{old.run_id}"):
        rebuild(find_recorded(store, "models:/digits/1"))


def test_a_model_that_was_begun_and_not_finished_is_none(ready_store: str) -> None:
    result = cnnexp.train(**QUICK, log_model=False)
    client = open_store(ready_store).client
    begun = client.create_logged_model("1", source_run_id=result.run_id)
    client.log_outputs(result.run_id, [LoggedModelOutput(begun.model_id, 1)])
    assert logged_model(client, result.run_id) is None
    client.finalize_logged_model(begun.model_id, "READY")
    assert logged_model(client, result.run_id) == begun.model_id


@pytest.mark.usefixtures("ready_store")
def test_a_run_without_weights_has_no_model(ready_store: str) -> None:
    result = cnnexp.train(**QUICK, log_model=False)
    recorded = find_recorded(open_store(ready_store), result.run_id)
    recorded.file("checkpoints/best.safetensors").unlink()
    with pytest.raises(UserError, match="has no model"):
        rebuild(recorded)


def test_a_parent_of_seeds_has_no_model_and_its_children_are_named(ready_store: str) -> None:
    cnnexp.train_seeds(2, **{**QUICK, "epochs": 1}, log_model=False, run_name="many")
    parent = find_recorded(open_store(ready_store), "many")
    with pytest.raises(
        TrackingError, match=r"run many .*parent of 2 runs; name one of them: many-seed0, many-"
    ):
        rebuild(parent)


def test_a_run_that_goes_on_after_its_test_says_that_it_looks_again(ready_store: str) -> None:
    first = cnnexp.train(**{**QUICK, "epochs": 1}, log_model=False)
    said: list[str] = []

    class Notes(cnnexp.Listener):
        def note(self, sentence: str) -> None:
            said.append(sentence)

    cnnexp.train(resume=first.run_id, epochs=2, listener=Notes())
    assert said == ["the test part was evaluated before: this is look number 2"]
    again = find_recorded(open_store(ready_store), first.run_id)
    assert again.row.tags["look"] == "2"
    assert "evaluated for time 2 with the weights" in again.row.tags["mlflow.note.content"]
