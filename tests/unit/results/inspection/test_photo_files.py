"""Headers of photo files: shape, format, mode, whatever the name says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from cnnexp.results.inspection.photo_files import photo_files


def test_sizes_are_upright_and_formats_those_of_the_content(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 30))
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    image.save(tmp_path / "a.jpg", exif=turned)
    image.convert("L").save(tmp_path / "b.png")
    image.save(tmp_path / "c.jpg", "PNG")
    image.save(tmp_path / "d.jpeg")
    (tmp_path / "e.png").write_text("no image")
    found = photo_files([*sorted(tmp_path.iterdir()), tmp_path / "missing.png"])
    np.testing.assert_array_equal(found.widths, [30, 40, 40, 40])
    np.testing.assert_array_equal(found.heights, [40, 30, 30, 30])
    assert found.formats == {"JPEG": 2, "PNG": 2}
    assert found.modes == {"RGB": 3, "L": 1}
    assert (found.turned, found.misnamed) == (1, (tmp_path / "c.jpg",))
    assert found.num_bytes == sum(
        (tmp_path / name).stat().st_size for name in ("a.jpg", "b.png", "c.jpg", "d.jpeg")
    )
