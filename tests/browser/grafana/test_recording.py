"""The time-lapse and the lines over time, from a real Grafana-like server with a real Prometheus behind it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from prefect_aws import AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.models.settings import Observability
from blocks.perf_environment import PerfEnvironment
from tasks.clients.video import read_film
from tasks.recording import record_dashboard
from tasks.report import render_run
from tasks.rules import series
from tasks.run import Run
from tasks.series import keep_series
from tests.integration.grafana.servers import EDITOR, Grafana

pytestmark = [pytest.mark.browser, pytest.mark.integration]

RUN_ID = "0b6e6a52-6a3b-4f5e-9d0c-1f6b7f0a3c11"
LOADED_S = 150


@pytest.fixture
def run(grafana: Grafana, prometheus_url: str, tmp_path: Path) -> Run:
    """A run whose one stage has just ended."""
    environment = PerfEnvironment(
        checkout=tmp_path / "checkout", account_id="123456789012", aws=AwsCredentials(), runs_folder=tmp_path / "runs",
        observability=Observability(monitoring_url=prometheus_url, grafana_url=grafana.url, grafana_token=EDITOR),
    )  # fmt: skip
    made = Run(RUN_ID, "perf", "ramp", environment, LoadProfile())
    made.evidence.mkdir(parents=True)
    made.journal.append("preflight", "run_opened", run_id=RUN_ID, environment="perf", left_out=[])
    made.journal.append("ramp", "stage_started", number=1, vus=1000)
    now = datetime.now(UTC)
    lines = [json.loads(line) for line in made.journal.path.read_text().splitlines()]
    lines[1]["at"] = (now - timedelta(seconds=LOADED_S)).isoformat()
    made.journal.path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    made.journal.append("ramp", "stage_judged", number=1, verdict="PASS", reason="flat", steady_to=now.isoformat())
    return made


@contextmanager
def _browser() -> Iterator[Browser]:
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert binary, "no Chromium on PATH: install it (make setup)"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


def test_the_dashboard_is_recorded_and_the_film_plays_in_a_browser(run: Run) -> None:
    judgement, file = record_dashboard.fn(run)
    recording = run.record().recording
    assert recording is not None
    assert judgement.passed, judgement.detail
    assert "the dashboard's time range" in judgement.detail
    assert recording.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert recording.frames >= 2
    film = read_film(file)
    assert (film.codec, film.pixels, film.width) == ("h264", "yuv420p", 1200)
    assert 2 < film.seconds < 20
    assert file.stat().st_size < 5_000_000
    # The index comes before the pictures, so that it plays while it loads.
    content = file.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert [item.name for item in file.parent.iterdir()] == [file.name]
    with _browser() as browser:
        first, last = _played(browser, file)
    assert _unlike(first, last) > 0.01, "nothing moves"


def test_without_a_dashboard_the_stages_pictures_are_the_recording(run: Run, grafana: Grafana) -> None:
    gone = run.environment.observability.model_copy(update={"grafana_url": "http://127.0.0.1:9"})
    lost = Run(run.id, "perf", "ramp", run.environment.model_copy(update={"observability": gone}), run.profile)
    picture = run.evidence / "screenshots" / "stage-01.png"
    picture.parent.mkdir()
    Image.new("RGB", (1600, 1201), "navy").save(picture)
    run.journal.append("collect", "stage_numbers", number=1, screenshot=run.relative(picture))
    judgement, file = record_dashboard.fn(lost)
    assert judgement.passed
    assert "1 frames of the stages' pictures" in judgement.detail
    assert read_film(file).height % 2 == 0
    assert grafana.url != gone.grafana_url


def test_every_family_of_lines_is_kept_with_its_hash_and_drawn(run: Run) -> None:
    keep_series.fn(run)
    record = run.record()
    assert [item.name for item in record.series] == sorted(wanted.name for wanted in series.WANTED)
    for item in record.series:
        # k6's series of this Prometheus belong to no run, so that what asks for the run's own finds none.
        if item.name in {"cpu", "memory", "queues"}:
            content = (run.folder / str(item.file)).read_bytes()
            assert hashlib.sha256(content).hexdigest() == item.sha256
            curves = series.read(content.decode())
            assert len(curves.times()) >= LOADED_S
            assert any(value for values in curves.lines.values() for value in values)
        else:
            assert item.file is None
            assert "no sample" in item.not_captured
    page = render_run(run.folder).read_text()
    assert page.count("<svg") == 3
    assert "Prometheus has no sample of p95" in page


def _played(browser: Browser, file: Path) -> tuple[bytes, bytes]:
    """Return the first and the last picture of a film as a browser shows them."""
    page = browser.new_page(viewport={"width": 700, "height": 900})
    film = base64.b64encode(file.read_bytes()).decode()
    page.set_content(f'<video muted width="600" src="data:video/mp4;base64,{film}"></video>')
    shown = []
    for place in ("0", "video.duration - 0.3"):
        page.evaluate(
            f"""() => new Promise((done, failed) => {{
              const video = document.querySelector('video');
              const go = () => {{ video.onseeked = () => requestAnimationFrame(() => done()); video.currentTime = {place}; }};
              video.onerror = () => failed(new Error(video.error.message));
              if (video.readyState >= 2) go(); else video.onloadeddata = go;
            }})"""
        )
        shown.append(page.locator("video").screenshot())
    page.close()
    return shown[0], shown[1]


def _unlike(first: bytes, second: bytes) -> float:
    one, two = (np.asarray(Image.open(io.BytesIO(data)).convert("L"), dtype=int) for data in (first, second))
    return float((abs(one - two) > 40).mean())
