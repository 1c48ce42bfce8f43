"""Scripts like those of a team, and running them through the wrapper as the product does."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from blocks.models.load import LoadPlan, Segment
from tasks.clients.scripts import inspect_script
from tasks.rules.segments import segment_options, sequence_of
from tasks.rules.stages import read_load_plan

_TEMPLATE = Environment(loader=PackageLoader("tasks"), undefined=StrictUndefined, autoescape=False).get_template(
    "wrapper.js.j2"
)

LIBRARY = """
import http from 'k6/http';
import exec from 'k6/execution';
import { sleep } from 'k6';
export function ask(what) {
  const scenario = exec.scenario.name;
  const tags = JSON.stringify(exec.test.options.tags);
  const query = { what, scenario, vu: exec.vu.idInTest, tags, of: exec.vu.tags.of || '' };
  const text = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
  http.get(`${__ENV.API_URL}/?${text}`, { headers: { 'X-Key': __ENV.BYPASS_KEY || '' } });
}
export function visit(what) {
  ask(what);
  sleep(0.5);
}
"""


@dataclass(frozen=True)
class Script:
    """A script in a checkout of its own."""

    checkout: Path
    k6: Path
    url: str
    path: Path = Path("perf/profiles/ramp.js")

    def plan(self) -> LoadPlan:
        return read_load_plan(self.inspected(), self.path.name)

    def inspected(self) -> dict[str, Any]:
        return inspect_script(str(self.k6), self.checkout, self.path, {"API_URL": self.url}, Path("perf/users.json"))

    def wrapper(self, name: str, options: Mapping[str, Any]) -> Path:
        wrapper = self.checkout / self.path.with_name(f"rampart-{name}.js")
        wrapper.write_text(_TEMPLATE.render(name=name, script=self.path.name, options=json.dumps(options)))
        return wrapper

    def run(self, options: Mapping[str, Any], segments: Sequence[Segment], **environment: str) -> list[Path]:
        """Run these segments of the test at once, to their end; return their folders."""
        started = [
            (segment, self._start(segment, options[segment.name], segments, environment)) for segment in segments
        ]
        for segment, process in started:
            said, _ = process.communicate()
            (self.checkout / segment.name / "log").write_bytes(said)
            assert process.returncode == 0, said.decode()
        return [self.checkout / segment.name for segment in segments]

    def _start(
        self, segment: Segment, options: Mapping[str, Any], segments: Sequence[Segment], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        folder = self.checkout / segment.name
        folder.mkdir(exist_ok=True)
        cut = ["--execution-segment", f"{segment.start}:{segment.end}"]
        return subprocess.Popen(
            [
                str(self.k6), "run", "--no-color", "--no-usage-report", "--quiet",
                "--summary-export", str(folder / "summary.json"), "--out", f"csv={folder / 'samples.csv'}",
                *(cut if len(segments) > 1 else []),
                *(["--execution-segment-sequence", sequence_of(segments)] if len(segments) > 1 else []),
                str(self.wrapper(segment.name, options)),
            ],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder,
            env={**os.environ, "API_URL": self.url, "RAMPART_INSTANCE": segment.name, **environment},
        )  # fmt: skip

    def hold(self, plan: LoadPlan, segments: Sequence[Segment], hold_s: float) -> list[Path]:
        """Run all segments of a plan at once, each until the end of its hold."""
        return self.run(
            {segment.name: segment_options(plan, segment, hold_s, {"run_id": "r1"}) for segment in segments}, segments
        )


def write_script(checkout: Path, k6: Path, url: str, options: Mapping[str, Any] | str, functions: str) -> Script:
    """Write a script that imports relative to itself."""
    script = Script(checkout, k6, url)
    library = checkout / "perf" / "lib" / "ask.js"
    for file in (library, checkout / script.path):
        file.parent.mkdir(parents=True, exist_ok=True)
    library.write_text(LIBRARY)
    shown = options if isinstance(options, str) else json.dumps(options)
    (checkout / script.path).write_text(
        "import { ask, visit } from '../lib/ask.js';\n"
        "if (!__ENV.API_URL) { throw new Error('API_URL is wanted'); }\n"
        f"export const options = {shown};\n{functions}"
    )
    return script


def ramping(amounts: Sequence[int], rise: str = "1s", hold: str = "1s", **more: Any) -> dict[str, Any]:
    """A scenario of virtual users that rises to each amount and holds it."""
    stages = [{"duration": duration, "target": amount} for amount in amounts for duration in (rise, hold)]
    return {"executor": "ramping-vus", "startVUs": 0, "stages": stages, "gracefulStop": "1s", **more}
