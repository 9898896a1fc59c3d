from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cnnexp.data import batches as batches_module
from cnnexp.data import load_dataset
from cnnexp.data.batches import Batches
from cnnexp.data.dataset import ImageDataset, Part
from cnnexp.errors import DataError
from cnnexp.settings.groups import DataSettings
from tests.unit.data.made import memory_part, write_photos

NOTHING = 1e-9  # a memory budget into which no set fits


def batches(part: Part, **changes: object) -> Batches:
    settings: dict[str, object] = {"batch_size": 4, "device": "cpu", "shuffle": True, "seed": 0, **changes}
    return Batches(part, **settings)  # type: ignore[arg-type]  # a test's own table of arguments


def labels(made: Batches, epoch: int) -> list[int]:
    return [int(label) for _, of_batch in made.epoch(epoch) for label in of_batch]


def test_images_and_labels_stay_together() -> None:
    for images, of_batch in batches(memory_part(10)).epoch(3):
        assert images.dtype == torch.uint8
        assert of_batch.dtype == torch.int64
        assert torch.equal(images[:, 0, 0, 0].long(), of_batch)


def test_w10_the_order_differs_between_epochs_and_holds_every_image() -> None:
    made = batches(memory_part(50))
    assert labels(made, 1) != labels(made, 2)
    assert sorted(labels(made, 1)) == sorted(labels(made, 2)) == list(range(50))


def test_the_order_is_a_function_of_seed_and_epoch_alone() -> None:
    made = batches(memory_part(50))
    labels(made, 1)
    torch.manual_seed(99)
    assert labels(made, 2) == labels(batches(memory_part(50)), 2)
    assert labels(made, 2) != labels(batches(memory_part(50), seed=1), 2)
    assert labels(made, 2) != labels(batches(memory_part(50), seed=2), 1)


def test_without_shuffling_it_is_file_order_in_every_epoch() -> None:
    made = batches(memory_part(10), shuffle=False)
    assert labels(made, 1) == labels(made, 2) == list(range(10))


@pytest.mark.parametrize(("merge", "sizes"), [(True, [4, 5]), (False, [4, 4, 1])])
def test_a_last_batch_of_one_image_is_merged_in_training(merge: bool, sizes: list[int]) -> None:
    made = batches(memory_part(9), merge_single=merge)
    assert [len(images) for images, _ in made.epoch(0)] == sizes
    assert len(made) == len(sizes)
    assert made.num_images == 9


def test_one_image_in_all_stays_a_batch() -> None:
    assert [len(images) for images, _ in batches(memory_part(1), merge_single=True).epoch(0)] == [1]


def test_drawing_an_order_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    labels(batches(memory_part(10)), 1)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_images_have_the_layout_that_was_asked_for(layout: torch.memory_format) -> None:
    for images, _ in batches(memory_part(10), memory_format=layout).epoch(0):
        assert images.is_contiguous(memory_format=layout)


def test_images_lie_channels_last_without_a_conversion() -> None:
    for images, _ in batches(memory_part(10)).epoch(0):
        assert images.is_contiguous(memory_format=torch.channels_last)


def test_w9_the_order_is_copied_to_the_device_once_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[object] = []
    copy = Tensor.to

    def counted(tensor: Tensor, *target: Any, **options: Any) -> Tensor:
        copies.append(target)
        return copy(tensor, *target, **options)

    made = batches(memory_part(50))
    monkeypatch.setattr(Tensor, "to", counted)
    assert len(labels(made, 1)) == 50
    assert len(copies) == 1


def load(folder: Path, **settings: object) -> ImageDataset:
    return load_dataset(DataSettings(dataset=f"folder:{folder}", **settings))


def whole(made: Batches, epoch: int) -> tuple[Tensor, Tensor]:
    images, of_batches = zip(*made.epoch(epoch), strict=True)
    return torch.cat(images), torch.cat(of_batches)


def test_streaming_gives_the_same_batches_statistics_and_digest_as_memory(tmp_path: Path) -> None:
    write_photos(tmp_path, ["a", "b"], 12, size=70)
    held, streamed = load(tmp_path), load(tmp_path, memory_budget=NOTHING)
    assert held.train.source.resident
    assert not streamed.train.source.resident
    assert (held.digest, held.mean, held.std) == (streamed.digest, streamed.mean, streamed.std)
    assert any("memory budget" in note for note in streamed.notes)
    one = batches(held.train)
    other = batches(streamed.train, workers=2)
    for epoch in (1, 2):
        for mine, theirs in zip(whole(one, epoch), whole(other, epoch), strict=True):
            assert torch.equal(mine, theirs)


def test_closing_ends_the_workers_and_another_epoch_starts_new_ones(tmp_path: Path) -> None:
    write_photos(tmp_path, ["a", "b"], 12, size=70)
    made = batches(load(tmp_path, memory_budget=NOTHING).train, workers=2)
    before = set(multiprocessing.active_children())
    first = labels(made, 1)
    assert set(multiprocessing.active_children()) > before
    made.close()
    assert set(multiprocessing.active_children()) <= before
    assert labels(made, 1) == first


def test_arrays_too_large_once_enlarged_stream_too() -> None:
    held = load_dataset(DataSettings(dataset="digits", image_size=(32, 32)))
    streamed = load_dataset(DataSettings(dataset="digits", image_size=(32, 32), memory_budget=NOTHING))
    assert not streamed.train.source.resident
    assert held.digest == streamed.digest
    rows = torch.tensor([5, 0, 7])
    assert torch.equal(held.train.read(rows), streamed.train.read(rows))


def test_what_was_learnt_of_a_streamed_set_is_cached(tmp_path: Path) -> None:
    write_photos(tmp_path, ["a", "b"], 6)
    told: list[str] = []

    def progress(task: str, done: int, total: int) -> None:  # noqa: ARG001 - a Progress
        told.append(task)

    settings = DataSettings(dataset=f"folder:{tmp_path}", memory_budget=NOTHING)
    first = load_dataset(settings, progress=progress)
    assert told
    told.clear()
    second = load_dataset(settings, progress=progress)
    assert not told
    assert first.digest == second.digest
    assert load(tmp_path).train.source.resident  # a larger budget is not held back by the cache


def test_a_file_that_vanishes_while_streaming_is_one_sentence(tmp_path: Path) -> None:
    write_photos(tmp_path, ["a", "b"], 6)
    data = load(tmp_path, memory_budget=NOTHING)
    made = batches(data.train, workers=1)
    for file in tmp_path.glob("a/*.png"):
        file.unlink()
    with pytest.raises(DataError) as seen:
        labels(made, 0)
    assert "could be read before and cannot now: does not exist." in str(seen.value)
    assert "\n" not in str(seen.value)
    assert "Traceback" not in str(seen.value)


def test_moving_a_part_to_a_device_takes_its_own_images_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "MOVE_BYTES", 100)  # so that there are several pieces
    whole_part = memory_part(10)
    part = Part(whole_part.source, torch.tensor([7, 1, 4]))
    moved = batches_module._moved(part, torch.device("cpu"))
    assert moved.labels.tolist() == [7, 1, 4]
    assert moved.images[:, 0, 0, 0].tolist() == [7, 1, 4]
    assert moved.images.is_contiguous(memory_format=torch.channels_last)
