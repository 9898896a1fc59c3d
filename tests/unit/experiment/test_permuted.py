"""`--permute-pixels` in an assembled experiment: raw images go in wherever they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from cnnexp.data.permute import PermutePixels
from cnnexp.experiment.assemble import Assembly, assemble, batches
from cnnexp.experiment.listener import Listener
from cnnexp.settings import Given, resolve
from tests.unit.data.made import write_photos


def assembled(**settings: Any) -> Assembly:
    base = {"model": "mlp", "device": "cpu", "threads": 1, "batch_size": 4}
    return assemble(resolve({k: Given(v, "test") for k, v in {**base, **settings}.items()}), Listener())


def test_the_network_gets_permuted_pixels_and_the_data_stay_as_they_are() -> None:
    plain, permuted = assembled(), assembled(permute_pixels=True)
    assert plain.dataset.digest == permuted.dataset.digest
    images, _ = next(iter(batches(permuted, "val").epoch(0)))
    assert torch.equal(images, next(iter(batches(plain, "val").epoch(0)))[0])
    expected = PermutePixels((28, 28), seed=0)(plain.normalize(images))
    torch.testing.assert_close(permuted.normalize(images), expected)
    other = assembled(permute_pixels=True, split_seed=1)
    assert not torch.equal(other.normalize(images), permuted.normalize(images))


def test_the_model_for_use_takes_raw_images() -> None:
    assembly = assembled(permute_pixels=True)
    images = assembly.dataset.test.read(torch.arange(3))
    with torch.inference_mode():
        logits = assembly.network(PermutePixels((28, 28), seed=0)(assembled().normalize(images)))
        torch.testing.assert_close(assembly.classifier()(images), logits.softmax(dim=1))


def test_photos_that_stream_are_permuted_alike(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", ["a", "b"], 10)
    name = f"folder:{tmp_path / 'photos'}"
    held = assembled(dataset=name, permute_pixels=True)
    streamed = assembled(dataset=name, permute_pixels=True, cache=False, memory_budget=1e-9, workers=1)
    assert held.dataset.train.source.resident
    assert not streamed.dataset.train.source.resident
    for one, other in zip(batches(held, "val").epoch(1), batches(streamed, "val").epoch(1), strict=True):
        assert torch.equal(held.normalize(one[0]), streamed.normalize(other[0]))


def test_it_is_recorded_with_the_seed_that_decides_it() -> None:
    params = assembled(permute_pixels=True, split="contiguous").params()
    assert (params["permute_pixels"], params["split_seed"]) == (True, 0)
    assert "split_seed" not in assembled(split="contiguous").params()
