"""Which k6 scripts are read at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.models.errors import Refused
from tasks.clients.scripts import inspect_script


@pytest.mark.parametrize("script", ["ramp.js", "../other/ramp.js", "{checkout}/perf/ramp.js"])
def test_a_script_in_no_folder_of_the_checkout_is_refused(tmp_path: Path, script: str) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    path = Path(script.format(checkout=checkout))
    (checkout / path).parent.mkdir(parents=True, exist_ok=True)
    (checkout / path).write_text("export default function () {}")
    with pytest.raises(Refused, match=r"is in no folder of the checkout; wanted is a path such as tests-perf/ramp\.js"):
        inspect_script("k6", checkout, path, {}, Path("perf/users.json"))
