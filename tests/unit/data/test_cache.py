from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from cnnexp.cache_folder import cache_folder
from cnnexp.data import fingerprint, load_dataset, photos
from cnnexp.data.cache import cache_info, clear_cache
from cnnexp.data.dataset import ImageDataset, MemorySource
from cnnexp.data.photo import read_photo
from cnnexp.data.reading import Frame, Pixels
from cnnexp.errors import UserError
from cnnexp.settings.groups import DataSettings
from tests.unit.data.made import write_cifar10, write_idx, write_photos


def load(folder: Path, **settings: object) -> ImageDataset:
    return load_dataset(DataSettings(dataset=f"folder:{folder}", **settings))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_photos(tmp_path / "photos", ["a", "b"], 6)
    return tmp_path / "photos"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The photos that are decoded from now on."""
    seen: list[Path] = []
    read = read_photo

    def counting(path: Path, frame: Frame) -> Pixels:
        seen.append(path)
        return read(path, frame)

    monkeypatch.setattr(photos, "read_photo", counting)
    return seen


def same(one: ImageDataset, other: ImageDataset) -> bool:
    rows = torch.arange(len(one.train))
    return one.digest == other.digest and torch.equal(one.train.read(rows), other.train.read(rows))


def test_the_second_load_decodes_nothing_and_gives_the_same(folder: Path, decoded: list[Path]) -> None:
    first = load(folder)
    assert len(decoded) == 12
    second = load(folder)
    assert len(decoded) == 12
    assert same(first, second)
    assert (first.mean, first.std, first.notes) == (second.mean, second.std, second.notes)


def test_a_renamed_and_a_copied_folder_hit_the_cache(folder: Path, decoded: list[Path]) -> None:
    first = load(folder)
    shutil.copytree(folder, folder.with_name("copy"), copy_function=shutil.copyfile)
    folder.rename(folder.with_name("renamed"))
    decoded.clear()
    assert same(first, load(folder.with_name("copy")))
    assert same(first, load(folder.with_name("renamed")))
    assert decoded == []


def test_a_known_state_of_files_is_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(folder)

    def read(file: Path) -> object:
        raise AssertionError(f"{file} was read")

    monkeypatch.setattr(fingerprint, "_content", read)
    load(folder)


@pytest.mark.parametrize("settings", [{"image_size": "16"}, {"fit": "pad"}, {"color": "grey"}])
def test_other_decoding_options_are_another_entry(
    folder: Path, decoded: list[Path], settings: dict[str, str]
) -> None:
    load(folder)
    load(folder, **settings)
    assert len(decoded) == 24


@pytest.mark.parametrize("settings", [{"split_seed": 3}, {"val_fraction": 0.5}, {"image_size": "64"}])
def test_the_split_and_the_set_s_own_size_are_no_decoding_options(
    folder: Path, decoded: list[Path], settings: dict[str, object]
) -> None:
    load(folder)
    load(folder, **settings)
    assert len(decoded) == 12


def test_a_changed_file_is_decoded_again(folder: Path, decoded: list[Path]) -> None:
    before = load(folder)
    shutil.copyfile(folder / "a" / "00.png", folder / "b" / "03.png")
    assert load(folder).digest != before.digest
    assert len(decoded) == 24


def test_a_renamed_class_is_another_set(folder: Path) -> None:
    before = load(folder)
    (folder / "b").rename(folder / "c")
    after = load(folder)
    assert after.class_names == ("a", "c")
    assert after.digest != before.digest


def test_images_are_mapped_and_cannot_be_changed_on_disk(folder: Path) -> None:
    load(folder)
    data = load(folder)
    assert isinstance(data.train.source, MemorySource)
    data.train.source.images.zero_()
    assert load(folder).train.read(torch.tensor([0])).any()


def test_an_entry_holds_no_pickle(folder: Path) -> None:
    load(folder)
    (entry,) = cache_info().entries
    assert {file.suffix for file in entry.path.iterdir()} == {".npy", ".json"}
    for file in entry.path.glob("*.npy"):
        np.load(file, allow_pickle=False)


def test_a_torn_entry_is_made_anew(folder: Path, decoded: list[Path]) -> None:
    first = load(folder)
    (entry,) = cache_info().entries
    for name, content in (("images.npy", b""), ("meta.json", b"{"), ("labels.npy", b"\x80\x04.")):
        (entry.path / name).unlink()  # still mapped by `first`
        (entry.path / name).write_bytes(content)
        decoded.clear()
        assert same(first, load(folder))
        assert len(decoded) == 12


def test_a_failure_while_decoding_leaves_no_entry(folder: Path) -> None:
    def stop(task: str, done: int, total: int) -> None:  # noqa: ARG001 - a Progress
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_dataset(DataSettings(dataset=f"folder:{folder}"), progress=stop)
    assert list((cache_folder() / "sets").iterdir()) == []


def test_no_cache_leaves_nothing_on_disk(folder: Path) -> None:
    load(folder, cache=False)
    assert not cache_folder().exists()


def test_an_unusable_cache_folder_is_a_note_not_an_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = load(folder, cache=False)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CNNEXP_CACHE_DIR", str(tmp_path / "file" / "cache"))
    data = load(folder)
    assert same(reference, data)
    assert [note for note in data.notes if "CNNEXP_CACHE_DIR" in note]


def test_a_full_disk_is_a_note_and_leaves_no_torn_entry(folder: Path) -> None:
    reference = load(folder, cache=False)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # as good as a full disk: writing on fails
    try:
        data = load(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert same(reference, data)
    assert any("not kept for the next run" in note for note in data.notes)
    assert list((cache_folder() / "sets").iterdir()) == []


def test_a_disk_that_fills_up_at_the_end_costs_the_entry_not_the_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    reference = load(folder, cache=False)
    monkeypatch.setattr(np, "save", full)
    data = load(folder)
    assert same(reference, data)
    assert any("No space left" in note for note in data.notes)
    assert list((cache_folder() / "sets").iterdir()) == []


def test_the_least_recently_used_entry_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        write_photos(tmp_path / str(number), ["a", "b"], 6, seed=number)
    one_set = 12 * 64 * 64 * 3
    monkeypatch.setenv("CNNEXP_CACHE_MAX_GB", str(2.8 * one_set / 1e9))
    for number in (0, 1, 0, 2):  # 0 is used again before 2 needs room
        load(tmp_path / str(number))
        time.sleep(0.02)
    assert [entry.dataset[-1] for entry in cache_info().entries] == ["0", "2"]


def test_a_set_larger_than_the_limit_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNEXP_CACHE_MAX_GB", "0.0001")
    assert any("CNNEXP_CACHE_MAX_GB" in note for note in load(folder).notes)
    assert cache_info().entries == ()


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf"])
def test_a_limit_that_is_no_number_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNEXP_CACHE_MAX_GB", text)
    with pytest.raises(UserError, match=f"not '{text}'"):
        cache_info()


def test_clearing_says_what_it_freed_and_a_reader_reads_on(folder: Path) -> None:
    load(folder)
    data = load(folder)
    assert clear_cache() > 12 * 64 * 64 * 3
    assert cache_info().entries == ()
    assert data.train.read(torch.arange(3)).any()
    load(folder)
    assert len(cache_info().entries) == 1


def test_the_folder_follows_the_platform_s_custom(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CNNEXP_CACHE_DIR")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "cnnexp"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "cnnexp"


LOAD = """
import sys
from cnnexp.data import load_dataset
from cnnexp.settings.groups import DataSettings
seen = []
data = load_dataset(DataSettings(dataset=sys.argv[1], data_dir="sets"), progress=lambda *told: seen.append(1))
print(data.digest, len(seen), *sorted({"torchvision", "PIL", "sklearn"} & set(sys.modules)))
"""


def test_two_processes_at_once_decode_once(folder: Path) -> None:
    for number in range(200):
        shutil.copy(folder / "a" / "00.png", folder / "a" / f"more{number}.png")
    command = [sys.executable, "-c", LOAD, f"folder:{folder}"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=100)[0].split() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert answers[0][0] == answers[1][0]
    assert sorted(int(answer[1]) > 0 for answer in answers) == [False, True]
    assert len(cache_info().entries) == 1


def test_cached_sets_import_no_decoder(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", ["a", "b"], 6)
    write_idx(tmp_path / "sets" / "MNIST" / "raw")
    write_cifar10(tmp_path / "sets")
    names = ["digits", "mnist", "cifar10", f"folder:{tmp_path / 'photos'}"]
    for name in names:
        load_dataset(DataSettings(dataset=name, data_dir="sets"))
    code = f"names = {names!r}\n" + LOAD.replace("data = load", "for name in names:\n  data = load")
    code = code.replace("sys.argv[1]", "name")
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert answer.split()[1:] == ["0"]  # nothing decoded, nothing imported


def test_decoding_into_the_cache_needs_no_second_copy_in_memory(tmp_path: Path) -> None:
    write_idx(tmp_path / "sets" / "MNIST" / "raw", num_train=60_000, num_test=5_000, zipped=False)
    write_idx(tmp_path / "small" / "FashionMNIST" / "raw")
    code = """
import re
from pathlib import Path
from cnnexp.data.load import load_dataset
from cnnexp.settings.groups import DataSettings
load_dataset(DataSettings(dataset="fashion-mnist", data_dir="small"))  # what is imported on the way
def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = peak()
load_dataset(DataSettings(dataset="mnist", data_dir="sets"))
print((peak() - before) / (65_000 * 784))
"""
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert float(answer) < 1.5


def test_the_cache_folder_of_these_tests_is_their_own(tmp_path: Path) -> None:
    assert str(tmp_path) in os.environ["CNNEXP_CACHE_DIR"]
