"""Pretrained and frozen networks in an assembled experiment; the download is a stub."""

from __future__ import annotations

import hashlib
import io
import socket
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch

from cnnexp.errors import ModelError, SettingsError
from cnnexp.experiment import weights
from cnnexp.experiment.assemble import Assembly, assemble, build_stepper
from cnnexp.experiment.listener import Listener
from cnnexp.image_spec import ImageSpec
from cnnexp.models import build_model
from cnnexp.models.pretrained import PublishedWeights
from cnnexp.settings import Given, resolve

IMAGENET = ImageSpec(3, 32, 32, 1000)


class Noted(Listener):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


def assembled(listener: Listener | None = None, **settings: Any) -> Assembly:
    base = {"model": "resnet18", "device": "cpu", "threads": 1, "image_size": 32}
    given = {name: Given(value, "test") for name, value in {**base, **settings}.items()}
    return assemble(resolve(given), listener or Listener())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Weights of ResNet-18 for colour and 1,000 classes, as torchvision's are."""
    torch.manual_seed(5)
    path = tmp_path / "resnet18.pth"
    torch.save(build_model("resnet18", IMAGENET).state_dict(), path)
    return path


class Answer(io.BytesIO):
    """What `urlopen` returns."""

    headers: dict[str, str] = {}  # noqa: RUF012 - read only

    def info(self) -> object:
        return self

    def get_all(self, _name: str) -> None:
        return None


@pytest.fixture
def transport(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Serves the file under a name with its checksum; the list holds what to answer, and what was asked."""
    content = file.read_bytes()
    answers: list[Any] = [content]
    name = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"

    def open_url(request: Any) -> Answer:
        answers.append((request.full_url, socket.getdefaulttimeout()))
        if isinstance(answers[0], Exception):
            raise answers[0]
        return Answer(answers[0])

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub.urlopen", open_url)
    published = PublishedWeights("ResNet18_Weights.MADE", f"https://weights.example/{name}")
    monkeypatch.setattr(weights, "published_weights", lambda _model, _arguments: published)
    return answers


def test_a_file_starts_the_network_and_is_recorded(file: Path) -> None:
    noted = Noted()
    assembly = assembled(noted, pretrained=str(file))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert assembly.params()["pretrained"] == f"resnet18.pth sha256:{digest[:12]}"
    assert assembly.settings.network.pretrained == str(file)  # what repeats the run
    own = torch.load(file)["layer3.0.conv1.weight"]
    assert torch.equal(assembly.network.get_parameter("layer3.0.conv1.weight"), own)
    assert len([note for note in noted.notes if "starts anew" in note or "1 channel" in note]) == 2


def test_published_weights_are_downloaded_once_and_checked(transport: list[Any], tmp_path: Path) -> None:
    for _ in range(2):
        assembly = assembled(pretrained=True)
    assert assembly.params()["pretrained"] == "ResNet18_Weights.MADE"
    (asked,) = transport[1:]
    assert asked[0].startswith("https://weights.example/resnet18-")
    assert asked[1] == weights.SECONDS_OF_SILENCE
    assert socket.getdefaulttimeout() is None
    assert len(list((tmp_path / "torch" / "hub" / "checkpoints").iterdir())) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (URLError("Name or service not known"), r"\(Name or service not known\)"),
        (TimeoutError("timed out"), r"\(timed out\)"),
        (b"another file", r"\(invalid hash value .*\)"),
    ],
)
def test_what_cannot_be_downloaded_is_one_sentence_with_the_way_out(
    answer: Any, reason: str, transport: list[Any], tmp_path: Path
) -> None:
    transport[0] = answer
    sentence = (
        r"^the weights ResNet18_Weights\.MADE cannot be downloaded from https://weights\.example/\S+ "
        rf"{reason}; go online, or fetch that file elsewhere and give --pretrained FILE\.$"
    )
    with pytest.raises(ModelError, match=sentence):
        assembled(pretrained=True)
    assert not list((tmp_path / "torch" / "hub" / "checkpoints").iterdir())


def test_pixels_are_scaled_as_the_weights_need_it(file: Path) -> None:
    pretrained = assembled(pretrained=str(file))
    assert pretrained.settings.data.normalize == "imagenet"
    assert pretrained.dataset.mean == pytest.approx([0.449], abs=1e-9)  # of grey images: the colours' mean
    assert assembled(pretrained=str(file), color="rgb").dataset.std == (0.229, 0.224, 0.225)
    assert assembled(pretrained=str(file), normalize="half").dataset.mean == (0.5,)
    assert assembled().settings.data.normalize == "dataset"


def test_a_resumed_run_does_not_look_for_the_weights_again() -> None:
    settings = resolve({n: Given(v, "test") for n, v in {"model": "cnn", "pretrained": "gone.pth"}.items()})
    with pytest.raises(ModelError, match=r"'gone\.pth' cannot be read \(No such file or directory\)"):
        assemble(settings, Listener())
    assert assemble(settings, Listener(), resumes=True).weights is None


def test_a_frozen_network_trains_its_head_alone(file: Path) -> None:
    noted = Noted()
    assembly = assembled(noted, pretrained=str(file), freeze=True, batch_size=1)
    learning = [name for name, weight in assembly.network.named_parameters() if weight.requires_grad]
    assert learning == ["fc.weight", "fc.bias"]
    assert "frozen: the layer fc alone learns" in noted.notes
    groups = build_stepper(assembly).optimizer.param_groups
    assert sum(weight.numel() for group in groups for weight in group["params"]) == 513 * 10


def test_freezing_what_is_drawn_at_random_is_said() -> None:
    noted = Noted()
    assembled(noted, freeze=True, model="cnn", image_size=28)
    assert (
        "--freeze without --pretrained: the head learns from features that are drawn at random" in noted.notes
    )


@pytest.mark.parametrize(
    ("given", "meant"),
    [("true", True), ("False", False), ("none", False), ("", False), (None, False), ("w.pth", "w.pth")],
)
def test_pretrained_is_a_flag_or_a_file(given: object, meant: object) -> None:
    assert resolve({"pretrained": Given(given, "test")}).network.pretrained == meant


def test_an_initialisation_of_pretrained_weights_is_refused() -> None:
    with pytest.raises(
        SettingsError, match=r"init = 'xavier' \(--init\): has no effect on pretrained weights"
    ):
        resolve({"pretrained": Given("true", "--pretrained"), "init": Given("xavier", "--init")})
