"""`cnnexp export`: the file answers as its original, or there is none."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

import cnnexp
from cnnexp.cli import cli
from cnnexp.data.photo import read_photo
from cnnexp.errors import ModelError, UserError
from cnnexp.results import export as exporting
from cnnexp.results.export import export
from cnnexp.results.rebuild import Rebuilt, rebuild
from cnnexp.results.recorded import Recorded
from tests.e2e.use.conftest import Vehicles


class Spectrum(nn.Module):
    """What ONNX has no operation for."""

    def forward(self, maps: Tensor) -> Tensor:
        values: Tensor = torch.linalg.svdvals(maps)
        return values


class Undecided(nn.Module):
    """What no trace can follow."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps if maps.float().mean() > 3 else 2 * maps


class OfSeven(nn.Module):
    """Takes as many images as it was traced with."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.view(exporting.TRACED_IMAGES, -1)


def exported(vehicles: Vehicles, *arguments: str) -> str:
    result = CliRunner().invoke(
        cli, ["export", "--tracking-uri", vehicles.store, *arguments], catch_exceptions=False
    )
    assert result.exit_code == 0
    return result.stdout


def refused(vehicles: Vehicles, *arguments: str) -> str:
    result = CliRunner().invoke(cli, ["export", "--tracking-uri", vehicles.store, *arguments])
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


def with_layer(vehicles: Vehicles, layer: nn.Module) -> Rebuilt:
    """The run's network with another layer in a block of its own."""
    found = rebuild(vehicles.recorded)
    block = nn.ModuleList([nn.Sequential(nn.Identity(), layer)])

    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.blocks = nn.Linear(3, 3), block

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.linear(images.mean(dim=(2, 3)))
            for inner in self.blocks:
                logits = logits + inner(images).flatten().mean()
            return logits

    return Rebuilt(Holder(), *(getattr(found, name) for name in Rebuilt.__slots__[1:]))


def test_100_real_photos_get_the_same_classes_from_onnxruntime(vehicles: Vehicles) -> None:
    said = exported(vehicles, "vehicles", "--format", "onnx")
    assert "Exported: vehicles.onnx" in said
    assert "images of the run's validation part: probabilities differ by at most" in said
    assert "ms (torch), " in said
    assert "ms (onnxruntime)" in said
    session = onnxruntime.InferenceSession("vehicles.onnx")
    known = {name: json.loads(text) for name, text in metadata(session).items() if text[0] in "[{"}
    assert known == {"class_names": ["bus", "car", "truck"], "image": [3, 32, 32]}
    classifier = cnnexp.load("last", vehicles.store)
    photos = vehicles.photos[:: len(vehicles.photos) // 100][:100]
    assert len(photos) == 100
    images = np.stack([read_photo(photo, classifier.frame) for photo in photos]).transpose(0, 3, 1, 2)
    expected = classifier.predict(photos)
    for number in (1, 3, 100):
        (found,) = session.run(None, {"images": images[:number]})
        np.testing.assert_allclose(found, expected.probabilities[:number], atol=1e-5)
        assert (found.argmax(axis=1) == expected.labels[:number]).all()


def metadata(session: Any) -> dict[str, str]:
    found: dict[str, str] = session.get_modelmeta().custom_metadata_map
    return found


def test_pt2_loads_with_torch_alone_and_takes_any_number(vehicles: Vehicles) -> None:
    photo_folder = str(vehicles.photos[0].parent)
    said = exported(vehicles, "last", "--format", "pt2", "-o", "it.pt2", "--images", photo_folder)
    assert f"100 images of {photo_folder}" in said
    about = {"metadata.json": ""}
    module = torch.export.load("it.pt2", extra_files=about).module()
    assert json.loads(about["metadata.json"])["class_names"] == ["bus", "car", "truck"]
    images = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    expected = cnnexp.load("last", vehicles.store).predict(images).probabilities
    for number in (1, 5):
        np.testing.assert_allclose(module(images[:number]).numpy(), expected[:number], atol=1e-5)


@pytest.mark.parametrize(
    ("form", "layer", "sentence"),
    [
        ("onnx", Spectrum(), "ONNX cannot express layer blocks.0.1 (Spectrum) (No ONNX function found for"),
        ("pt2", Undecided(), "PyTorch cannot trace layer blocks.0.1 (Undecided) (Could not guard"),
        ("pt2", OfSeven(), "PyTorch cannot trace layer blocks.0.1 (OfSeven) ("),
    ],
    ids=["operation", "control-flow", "batch"],
)
def test_the_layer_that_cannot_be_exported_is_named(
    vehicles: Vehicles, form: exporting.Form, layer: nn.Module, sentence: str
) -> None:
    images = np.zeros((exporting.TRACED_IMAGES, 3, 32, 32), np.uint8)
    with pytest.raises(ModelError) as error:
        export(with_layer(vehicles, layer), Path(f"it.{form}"), form=form, images=images)
    assert str(error.value).startswith(sentence)
    assert not list(Path().glob("it*"))


def test_a_file_that_answers_otherwise_is_not_written(
    vehicles: Vehicles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_open_pt2", lambda _: lambda images: np.full((len(images), 3), 1 / 3))
    with pytest.raises(ModelError, match="the pt2 file does not answer as its original"):
        export(
            rebuild(vehicles.recorded),
            Path("it.pt2"),
            form="pt2",
            images=np.zeros((4, 3, 32, 32), np.uint8),
        )
    assert not list(Path().glob("it*"))


def test_without_the_run_s_own_images_others_must_be_named(
    vehicles: Vehicles, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cnnexp.results import subject

    def away(*_: object, **__: object) -> None:
        raise UserError("the photos are gone")

    monkeypatch.setattr(subject, "load_dataset", away)
    said = refused(vehicles, "last", "--format", "pt2")
    assert said.startswith("give --images DIR, a folder of images")
    assert said.endswith("the photos are gone")
    assert not list(Path().glob("*.pt2"))


def test_images_of_changed_data_are_not_taken_for_the_run_s_own(
    vehicles: Vehicles, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dataclasses.replace(vehicles.recorded.data, digest="sha256:0")
    monkeypatch.setattr(Recorded, "data", data)
    assert "have changed since run vehicles" in refused(vehicles, "last", "--format", "pt2")


def test_bad_input_is_one_sentence(vehicles: Vehicles, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("vehicles.pt2").write_text("mine")
    Path("empty").mkdir()
    for arguments, sentence in (
        (["nobody", "--format", "pt2"], "no run 'nobody'"),
        (["last", "--format", "pt2"], "--output vehicles.pt2 exists; give --force"),
        (["last", "--format", "pt2", "-o", "it.onnx"], "--output it.onnx must end with .pt2"),
        (["last", "--format", "pt2", "-o", "no/it.pt2"], "the folder no does not exist"),
        (
            ["last", "--format", "pt2", "-o", "it.pt2", "--images", "empty"],
            "the folder empty holds no images",
        ),
    ):
        assert sentence in refused(vehicles, *arguments)
    assert Path("vehicles.pt2").read_text() == "mine"
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert refused(vehicles, "last", "--format", "onnx") == (
        "--format onnx needs the package onnxscript: pip install 'cnnexp[export]'; --format pt2 needs none."
    )
