from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cnnexp.data import download, idx
from cnnexp.data.download import Patience, Resource, fetch
from cnnexp.data.registry import Lookup
from cnnexp.errors import DataError
from cnnexp.progress import Progress, silent
from tests.unit.data.made import write_idx

CONTENT = bytes(range(256)) * 400
FILE = Resource("set.bin", hashlib.md5(CONTENT, usedforsecurity=False).hexdigest())


class _Handler(BaseHTTPRequestHandler):
    """/good/, /wrong/, /cut/ and /slow/ give the file well, damaged, half, and by drips; the rest is 404."""

    def __init__(self, asked: list[str], files: Path, *arguments: object) -> None:
        self.asked, self.files = asked, files
        super().__init__(*arguments)  # type: ignore[arg-type]  # what the server hands on

    def do_GET(self) -> None:
        self.asked.append(self.path)
        _, kind, name = self.path.split("/")
        content = CONTENT if name == FILE.name else (self.files / name).read_bytes()
        if kind not in {"good", "wrong", "cut", "slow"}:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        pieces = {"good": [content], "wrong": [content[:-1] + b"!"], "cut": [content[: len(content) // 2]]}
        try:
            for piece in pieces.get(
                kind, [content[start : start + 1000] for start in range(0, len(content), 1000)]
            ):
                self.wfile.write(piece)
                time.sleep(0.02 if kind == "slow" else 0)
        except OSError:
            return  # the client had enough

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Server:
    """A web server on this machine, and what it was asked for."""

    def __init__(self, files: Path) -> None:
        self.asked: list[str] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self.asked, files))
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    served = Server(tmp_path / "served")
    thread = threading.Thread(target=served.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.http.shutdown()
    thread.join()
    served.http.server_close()


def bring(server: Server, folder: Path, *mirrors: str, progress: Progress = silent) -> None:
    addresses = [mirror if "://" in mirror else f"{server.url}/{mirror}/" for mirror in mirrors]
    fetch("a-set", [FILE], addresses, folder, ways="put it there", progress=progress)


def test_a_good_file_arrives_whole_with_progress(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    bring(server, tmp_path / "data", "good", progress=lambda *told: seen.append(told))
    assert [path.name for path in (tmp_path / "data").iterdir()] == [FILE.name]
    assert (tmp_path / "data" / FILE.name).read_bytes() == CONTENT
    assert seen[-1] == (f"downloading {FILE.name}", len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("first", ["wrong", "missing", "cut", "http://127.0.0.1:9/"])
def test_the_second_mirror_is_asked_where_the_first_fails(server: Server, tmp_path: Path, first: str) -> None:
    bring(server, tmp_path / "data", first, "good")
    assert (tmp_path / "data" / FILE.name).read_bytes() == CONTENT
    assert server.asked[-1] == f"/good/{FILE.name}"


def test_a_slow_mirror_is_left_only_where_another_is_left(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PATIENCE", Patience(slow_bytes_per_second=1e6, slow_after_seconds=0.2))
    monkeypatch.setattr(download, "CHUNK_BYTES", 1000)
    bring(server, tmp_path / "one", "slow", "good")
    assert server.asked == [f"/slow/{FILE.name}", f"/good/{FILE.name}"]
    bring(server, tmp_path / "two", "missing", "slow")
    assert (tmp_path / "two" / FILE.name).read_bytes() == CONTENT


def test_a_file_that_is_there_whole_is_not_asked_for_and_a_damaged_one_is(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / FILE.name).write_bytes(CONTENT)
    bring(server, tmp_path, "good")
    assert server.asked == []
    (tmp_path / FILE.name).write_bytes(CONTENT[:-1])
    bring(server, tmp_path, "good")
    assert (tmp_path / FILE.name).read_bytes() == CONTENT


def test_where_all_mirrors_fail_one_sentence_says_why_and_no_part_is_left(
    server: Server, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as seen:
        bring(server, tmp_path / "data", "wrong", "missing", "cut")
    for words in ("wrong checksum", "answers 404", "away", "put it there", "a-set"):
        assert words in str(seen.value)
    assert "\n" not in str(seen.value)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_no_fault_of_the_mirror(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write .*--data-dir"):
        bring(server, tmp_path / "file" / "data", "good", "good")
    assert len(server.asked) == 0


@pytest.mark.parametrize("mirrors", [("gone", "good"), ("gone",)])
def test_fashion_mnist_is_downloaded_or_every_way_to_get_it_is_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirrors: tuple[str, ...]
) -> None:
    import torchvision

    checksums = write_idx(tmp_path / "served")
    fashion = replace(
        idx.FASHION_MNIST, system_folder=None, mirrors=tuple(f"{server.url}/{mirror}/" for mirror in mirrors)
    )
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [f"{server.url}/away/"])
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", list(checksums.items()))
    lookup = Lookup(tmp_path / "data")
    if "good" in mirrors:
        assert idx.find_idx(fashion, lookup).location == str(tmp_path / "data" / "FashionMNIST" / "raw")
        assert sum("good" in path for path in server.asked) == 4
        assert (
            sum("away" in path for path in server.asked) == 1
        )  # what worked is asked first for the next file
        return
    with pytest.raises(DataError) as seen:
        idx.find_idx(fashion, lookup)
    for way in ("dataset-fashion-mnist", "--data-dir", "CNNEXP_DATA_DIR", *checksums, "FashionMNIST/raw"):
        assert way in str(seen.value)


def test_every_downloaded_set_has_two_mirrors_or_more() -> None:
    import torchvision

    from cnnexp.data import cifar10

    assert len({torchvision.datasets.CIFAR10.url, *cifar10.MIRRORS}) >= 2
    assert torchvision.datasets.CIFAR10.tgz_md5 == cifar10.ARCHIVE.md5
    for one in idx.SETS:
        known = getattr(torchvision.datasets, one.torchvision_name)
        assert len({*known.mirrors, *one.mirrors}) >= 2
        assert [name for name, _ in known.resources] == [f"{stem}.gz" for stem in (idx.STEMS)]
