"""Pictures made small enough to be carried inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

_WIDTH, _QUALITY = 760, 70


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a JPEG of at most 760 pixels' width, or why there is none."""

    width: int = 0
    height: int = 0
    base64: str = ""
    missing: str = ""


def thumbnails(files: Sequence[Path]) -> tuple[Thumbnail, ...]:
    """Return each file's picture, made small; the same bytes for the same file and libraries."""
    with ThreadPoolExecutor(2) as pool:
        return tuple(pool.map(_thumbnail, files))


def _thumbnail(file: Path) -> Thumbnail:
    try:
        with Image.open(file) as image:
            image.load()
            factor = max(1, image.width // _WIDTH)
            small = image.convert("RGB").reduce(factor)
    except FileNotFoundError:
        return Thumbnail(missing=f"{file.name} is not in the evidence")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        return Thumbnail(missing=f"{file.name} is not a picture: {str(error).partition(' <')[0]}")
    small.thumbnail((_WIDTH, small.height))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_QUALITY)
    return Thumbnail(small.width, small.height, base64.b64encode(buffer.getvalue()).decode())
