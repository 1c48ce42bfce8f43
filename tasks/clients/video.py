"""Films: pictures of a dashboard made into an MP4 that every browser plays, with the ffmpeg of a wheel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from blocks.models.errors import Failed
from tasks.clients.processes import run_command

_WIDTH, _FPS, _CRF = 1200, 4, 28
_ENCODING_S = 120.0


@dataclass(frozen=True)
class Film:
    """What a film says of itself."""

    codec: str
    pixels: str
    width: int
    height: int
    seconds: float


def make_film(frames: Sequence[tuple[Path, float]], file: Path) -> Film:
    """Encode pictures as H.264 (yuv420p, index first) and read the result back.

    Args:
        frames: (picture, seconds it is shown), in order; all are fitted into the size of the last.
        file: the film.

    Raises:
        Failed: ffmpeg is not there, or could not encode or read them.
        Unavailable: it took longer than two minutes.
    """
    listing = file.with_suffix(".frames.txt")
    part = file.with_suffix(".part.mp4")
    lines = [f"file '{picture.resolve()}'\nduration {seconds:g}\n" for picture, seconds in frames]
    # The list ends with its last picture once more: without it, its duration would not count.
    listing.write_text("ffconcat version 1.0\n" + "".join(lines) + f"file '{frames[-1][0].resolve()}'\n")
    fitted = f"scale={_WIDTH}:-2:flags=area:out_range=tv,format=yuv420p,fps={_FPS}"
    try:
        done = run_command(
            [
                _ffmpeg(), "-y", "-loglevel", "error", "-f", "concat", "-safe", "0", "-i", str(listing),
                "-vf", fitted, "-c:v", "libx264", "-preset", "superfast", "-crf", str(_CRF),
                "-movflags", "+faststart",
                "-t", f"{sum(seconds for _, seconds in frames):g}", "-an", str(part),
            ],
            timeout_s=_ENCODING_S,
        )  # fmt: skip
        if done.code != 0:
            raise Failed(f"ffmpeg could not make {file.name}: {done.last_line}")
        film = read_film(part)
        part.replace(file)
    finally:
        listing.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
    return film


def read_film(file: Path) -> Film:
    """Read what a film says of itself.

    Raises:
        Failed: it is no film.
    """
    try:
        reading = imageio_ffmpeg.read_frames(str(file))
        told: dict[str, Any] = next(reading)
        next(reading)
        reading.close()
    except (OSError, StopIteration, RuntimeError, KeyError) as error:
        raise Failed(
            f"{file.name} cannot be played: {str(error).splitlines()[0][:200] if str(error) else error!r}"
        ) from error
    width, height = told["size"]
    return Film(str(told["codec"]), str(told["pix_fmt"]).partition("(")[0], width, height, float(told["duration"]))


def _ffmpeg() -> str:
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise Failed(f"The wheel imageio-ffmpeg has no ffmpeg for this machine: {error}") from error
