"""Every kind of file that breaks loaders, with the pixels it should give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnexp.data.photo import BadPhotoError, is_grey, read_photo
from cnnexp.data.photos import common_channels
from cnnexp.data.reading import Frame

WHOLE = Frame(267, 400, 3)  # the size of the made_* files
GREY = Frame(267, 400, 1)


@pytest.fixture
def odd(shared_data: Path) -> Path:
    return shared_data / "odd_files"


@pytest.mark.parametrize("name", ["made_16bit.png", "made_gray.jpg", "made_la.png"])
def test_grey_kinds_have_the_brightness_of_the_sound_photo(odd: Path, name: str) -> None:
    sound = read_photo(odd / "made_ok.jpg", GREY).astype(float)
    found = read_photo(odd / name, GREY).astype(float)
    if name == "made_la.png":
        alpha = np.asarray(Image.open(odd / name).getchannel("A"), float)[..., None] / 255
        sound = sound * alpha + 255 * (1 - alpha)
    assert abs(found.mean() - sound.mean()) < 4
    assert abs(found - sound).mean() < 6


def test_16_bit_is_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    assert (read_photo(tmp_path / "deep.png", Frame(16, 16, 1)).ravel() == np.arange(256)).all()


def test_float_grey_in_0_to_1_is_scaled(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "float.tif")
    assert (read_photo(tmp_path / "float.tif", Frame(4, 4, 1)) == 128).all()


def test_one_bit_is_black_and_white(odd: Path) -> None:
    assert set(np.unique(read_photo(odd / "made_1bit.png", GREY))) == {0, 255}


@pytest.mark.parametrize("name", ["made_cmyk.jpg", "made.webp"])
def test_colour_kinds_look_like_the_sound_photo(odd: Path, name: str) -> None:
    difference = read_photo(odd / name, WHOLE).astype(int) - read_photo(odd / "made_ok.jpg", WHOLE)
    assert abs(difference).mean() < 12


def test_transparent_pixels_are_white(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (200, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.new("RGBA", (4, 4), (200, 0, 0, 128)).save(tmp_path / "half.png")
    assert (read_photo(tmp_path / "clear.png", Frame(4, 4, 3)) == 255).all()
    assert (
        abs(read_photo(tmp_path / "half.png", Frame(4, 4, 3))[0, 0].astype(int) - [227, 127, 127]).max() <= 1
    )


def test_transparent_corners_of_the_real_photos_are_white(odd: Path) -> None:
    for name in ("real_rgba_png.png", "real_palette_png.png"):
        with Image.open(odd / name) as image:
            alpha = np.asarray(image.convert("RGBA"))[..., 3]
        height, width = alpha.shape
        found = read_photo(odd / name, Frame(height, width, 3))
        clear = alpha == 0
        assert clear.any()
        assert (found[clear] == 255).all()


def test_a_png_named_jpg_is_read_by_its_content(odd: Path) -> None:
    assert read_photo(odd / "real_png_named_jpg.jpg", Frame(64, 64, 3)).std() > 5


def test_exif_rotation_is_applied(odd: Path) -> None:
    with Image.open(odd / "real_exif_rotated.jpeg") as image:
        lying = np.asarray(image.convert("RGB").resize((64, 48)), int)
    found = read_photo(odd / "real_exif_rotated.jpeg", Frame(64, 48, 3)).astype(int)
    upright = np.rot90(lying, -1)  # orientation 6: turn clockwise
    assert abs(found - upright).mean() < 5 < abs(found - np.rot90(lying, 1)).mean()


def test_exif_rotation_decides_the_shape_before_fitting(tmp_path: Path) -> None:
    image = Image.new("L", (40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.paste(255, (0, 0, 20, 20))  # the left half, which becomes the upper one
    image.save(tmp_path / "turned.jpg", exif=exif)
    found = read_photo(tmp_path / "turned.jpg", Frame(40, 40, 1, "pad"))[..., 0]
    assert (found[5:15, 15:25] > 200).all()
    assert (found[25:35] < 50).all()
    assert (found[:, :8] == 0).all()  # padded left and right, not above and below


def test_the_first_frame_of_a_gif_is_read(odd: Path, tmp_path: Path) -> None:
    assert read_photo(odd / "palette_gif.gif", Frame(300, 300, 3)).std() > 5
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert read_photo(tmp_path / "two.gif", Frame(4, 4, 3))[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("made_truncated.jpg", "truncated"),
        ("made_empty.jpg", "empty file"),
        ("text_named.jpg", "not an image"),
    ],
)
def test_broken_files_say_what_is_wrong(odd: Path, name: str, reason: str) -> None:
    with pytest.raises(BadPhotoError, match=reason):
        read_photo(odd / name, WHOLE)


def test_a_missing_file_is_a_bad_photo(tmp_path: Path) -> None:
    with pytest.raises(BadPhotoError, match="does not exist"):
        read_photo(tmp_path / "gone.jpg", WHOLE)


def test_a_large_jpeg_shrunk_while_decoding_gives_the_same_picture(tmp_path: Path, odd: Path) -> None:
    with Image.open(odd / "made_ok.jpg") as image:
        large = image.resize((3200, 2136), Image.Resampling.BICUBIC)
    large.save(tmp_path / "large.jpg", quality=95)
    exact = np.asarray(large.resize((64, 64), Image.Resampling.BILINEAR), int)
    assert abs(read_photo(tmp_path / "large.jpg", Frame(64, 64, 3)) - exact).mean() < 2


def test_grey_is_told_from_the_header(odd: Path, tmp_path: Path) -> None:
    kinds = {"made_gray.jpg": True, "made_la.png": True, "made_16bit.png": True, "made_1bit.png": True}
    kinds |= {"made_ok.jpg": False, "made_cmyk.jpg": False, "real_palette_png.png": False}
    assert {name: is_grey(odd / name) for name in kinds} == kinds
    assert is_grey(odd / "made_empty.jpg") is None
    Image.new("L", (4, 4), 9).convert("P").save(tmp_path / "grey_palette.png")
    assert is_grey(tmp_path / "grey_palette.png") is True


def test_a_set_is_grey_only_where_every_image_is(odd: Path) -> None:
    grey = [odd / "made_gray.jpg", odd / "made_empty.jpg", odd / "made_la.png"]
    assert common_channels(grey) == 1
    assert common_channels([*grey, odd / "made_ok.jpg"]) == 3
