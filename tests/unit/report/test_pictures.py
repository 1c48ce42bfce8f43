"""Pictures inside the page: small, the same each time, and a reason where there is none."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from tasks.clients.pictures import thumbnails


def test_a_picture_is_made_small_and_keeps_its_shape(tmp_path: Path) -> None:
    file = tmp_path / "wide.png"
    Image.linear_gradient("L").resize((1600, 2000)).save(file)
    first, again = thumbnails([file, file])
    assert first == again
    assert first.width <= 760
    assert abs(first.height / first.width - 1.25) < 0.01
    shown = Image.open(io.BytesIO(base64.b64decode(first.base64)))
    assert (shown.format, shown.size) == ("JPEG", (first.width, first.height))


def test_a_small_picture_is_not_blown_up(tmp_path: Path) -> None:
    Image.new("RGBA", (300, 200)).save(tmp_path / "small.png")
    assert thumbnails([tmp_path / "small.png"])[0].width == 300


def test_what_is_no_picture_says_why(tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    Image.linear_gradient("L").save(whole)
    torn, text = tmp_path / "torn.png", tmp_path / "text.png"
    torn.write_bytes(whole.read_bytes()[:300])
    text.write_text("no picture")
    missing = [item.missing for item in thumbnails([tmp_path / "lost.png", torn, text])]
    assert missing[0] == "lost.png is not in the evidence"
    assert missing[1:] == ["torn.png is not a whole picture", "text.png is not a whole picture"]
