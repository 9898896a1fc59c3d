from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from cnnexp.data import load_dataset
from cnnexp.data.dataset import ImageDataset
from cnnexp.data.folder import scan
from cnnexp.errors import DataError
from cnnexp.settings.groups import DataSettings
from tests.unit.data.made import write_photos


def load(folder: Path, **settings: object) -> ImageDataset:
    return load_dataset(DataSettings(dataset=f"folder:{folder}", **settings))


def test_a_plain_tree_has_one_class_a_folder_and_is_cut_in_three(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", ["dog", "cat"], 10)
    data = load(tmp_path / "photos")
    assert data.class_names == ("cat", "dog")
    assert data.spec.shape == (3, 64, 64)
    assert [len(part) for part in (data.train, data.val, data.test)] == [13, 3, 4]


def test_photos_in_deeper_folders_belong_to_the_class(tmp_path: Path) -> None:
    write_photos(tmp_path, ["a", "b/2024/may"], 2)
    tree = scan(tmp_path)
    assert tree.class_names == ("a", "b")
    assert tree.labels.tolist() == [0, 0, 1, 1]


def test_hidden_files_and_other_files_are_left_alone(tmp_path: Path) -> None:
    write_photos(tmp_path, ["a", "b"], 2)
    for name in ("a/.hidden.png", "a/notes.txt", "b/Thumbs.db"):
        (tmp_path / name).write_text("x")
    write_photos(tmp_path / ".git", ["c"], 2)
    (tmp_path / "empty").mkdir()
    assert scan(tmp_path).class_names == ("a", "b")
    assert len(scan(tmp_path).files) == 4


def test_train_test_and_val_folders_are_respected(tmp_path: Path) -> None:
    for number, (part, count) in enumerate((("train", 5), ("valid", 3), ("Test", 2))):
        write_photos(tmp_path / part, ["a", "b"], count, seed=number)
    before = sorted(tmp_path.rglob("*"))
    data = load(tmp_path, split="contiguous")
    assert [len(part) for part in (data.train, data.val, data.test)] == [10, 6, 4]
    assert [
        path for path in sorted(tmp_path.rglob("*")) if tmp_path / "cache" not in [path, *path.parents]
    ] == before


def test_a_tree_without_val_has_it_cut_from_train(tmp_path: Path) -> None:
    for number, part in enumerate(("train", "test")):
        write_photos(tmp_path / part, ["a", "b"], 10, seed=number)
    data = load(tmp_path)
    assert [len(part) for part in (data.train, data.val, data.test)] == [16, 4, 20]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    write_photos(tmp_path, ["train", "bus"], 3)
    assert scan(tmp_path).class_names == ("bus", "train")
    assert scan(tmp_path).part_sizes == (6, 0, 0)


def test_a_link_back_to_the_folder_does_not_loop(tmp_path: Path) -> None:
    write_photos(tmp_path, ["a", "b"], 2)
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    assert len(scan(tmp_path).files) == 4


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ([], "holds no images"),
        (["a/1.png"], "only one class, 'a'"),
        (["1.png", "2.png"], "no class folders"),
        (["all/train/a/1.png", "all/test/a/1.png"], r"do you mean folder:.*all\?"),
        (
            ["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/c/1.png"],
            "class 'c' is in the test part .* not in train",
        ),
    ],
)
def test_an_unfit_folder_is_named_with_the_way_out(tmp_path: Path, made: list[str], sentence: str) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    for name in made:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    with pytest.raises(DataError, match=sentence):
        load(root)


def test_a_missing_folder_a_file_and_no_path_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, sentence in (("gone", "does not exist"), ("file", "is a file")):
        with pytest.raises(DataError, match=sentence):
            load(tmp_path / path)
    with pytest.raises(DataError, match="needs a path"):
        load_dataset(DataSettings(dataset="folder"))


@pytest.mark.parametrize("part", ["test", "val"])
def test_a_class_missing_from_a_part_is_named(tmp_path: Path, part: str) -> None:
    for number, folder in enumerate(("train", "val", "test")):
        write_photos(tmp_path / folder, ["a", "b"], 3, seed=number)
    shutil.rmtree(tmp_path / part / "b")
    with pytest.raises(DataError, match=f"the {part} part of .* no image of class 'b'"):
        load(tmp_path)


def test_unreadable_images_are_all_listed_unless_skipped(tmp_path: Path, shared_data: Path) -> None:
    write_photos(tmp_path, ["a", "b"], 6)
    for name in ("made_truncated.jpg", "made_empty.jpg", "text_named.jpg"):
        shutil.copy(shared_data / "odd_files" / name, tmp_path / "a" / name)
    with pytest.raises(
        DataError, match=r"3 of 15 images .*a/made_empty.jpg \(empty file\); a/made_truncated"
    ) as seen:
        load(tmp_path)
    assert "--skip-bad-images" in str(seen.value)
    for _ in range(2):  # decoded, then from the cache
        data = load(tmp_path, skip_bad_images=True)
        assert [image.path for image in data.bad_images] == [
            "a/made_empty.jpg", "a/made_truncated.jpg", "a/text_named.jpg",
        ]  # fmt: skip
        assert sum(map(len, (data.train, data.val, data.test))) == 12
        assert any("3 of 15 images cannot be read" in note for note in data.notes)


def test_at_most_ten_bad_images_are_listed(tmp_path: Path) -> None:
    write_photos(tmp_path, ["a", "b"], 2)
    for number in range(13):
        (tmp_path / "a" / f"x{number:02}.jpg").write_text("no image")
    with pytest.raises(DataError, match=r"x09.jpg \(not an image\); and 3 more"):
        load(tmp_path)


def test_every_sound_odd_file_loads_as_a_folder(tmp_path: Path, shared_data: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(shared_data / "odd_files", tmp_path / name)
    data = load(tmp_path, skip_bad_images=True, image_size="32")
    assert len(data.bad_images) == 6
    assert data.spec.shape == (3, 32, 32)
    assert sum(map(len, (data.train, data.val, data.test))) == 24


def test_image_size_fit_and_colour_are_options(tmp_path: Path) -> None:
    write_photos(tmp_path, ["a", "b"], 5)
    data = load(tmp_path, image_size="12x16", fit="pad", color="grey")
    assert data.spec.shape == (1, 12, 16)
    images = data.train.read(torch.arange(len(data.train)))
    assert (images[..., :2] == 0).all()  # 8x8 fitted into 12x16: two black columns at each side
    assert (images[..., 3] > 0).any()


def test_the_cifar10_sample_keeps_its_own_test_part(shared_data: Path, tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(shared_data / "cifar10_6k.tar.gz") as tar:
        members = [one for one in tar.getmembers() if "/test/" in one.name or int(Path(one.name).stem) < 500]
        tar.extractall(tmp_path, members, filter="data")
    data = load(tmp_path / "cifar10_6k", image_size="32")
    assert [len(part) for part in (data.train, data.val, data.test)] == [400, 100, 1000]
    assert data.spec.shape == (3, 32, 32)
    assert data.spec.num_classes == 10
    assert data.class_counts().tolist() == torch.bincount(data.train.labels).tolist()
