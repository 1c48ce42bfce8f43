"""What refuses a launch does so before anybody is asked."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from prefect import flow
from prefect_aws import AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.models.settings import Ramp
from blocks.perf_environment import PerfEnvironment
from flows.ramp import _launch
from tasks.checks import PhaseStopped
from tasks.run import Run
from tests.integration.hosts.conftest import K6

pytestmark = pytest.mark.integration

_SCRIPT = """
const stages = [{ duration: '5s', target: 5 }, { duration: '5s', target: 5 }, { duration: '5s', target: 9 }, { duration: '5s', target: 9 }];
export const options = { scenarios: { signin: { executor: 'ramping-vus', exec: 'signin', stages } } };
export function signin() {}
"""


@pytest.mark.usefixtures("prefect")
def test_clocks_that_cannot_be_read_refuse_the_launch_before_the_approval(tmp_path: Path) -> None:
    script = tmp_path / "tests-perf" / "ramp.js"
    script.parent.mkdir()
    script.write_text(_SCRIPT)
    environment = PerfEnvironment(
        checkout=tmp_path, account_id="123456789012", aws=AwsCredentials(), runs_folder=tmp_path / "runs",
        k6_command=str(K6),
    )  # fmt: skip
    run = Run(str(uuid4()), "test", "test", environment, LoadProfile(ramp=Ramp(script=script.relative_to(tmp_path))))
    run.folder.mkdir(parents=True)
    run.journal.append("preflight", "run_opened", run_id=run.id, environment="test")

    @flow(name="launches")
    def launches() -> None:
        # The form has answered already: the decision is journaled as soon as it is asked for.
        with pytest.raises(PhaseStopped, match=r"ramp\.launch: .*loadgen_public_ip"):
            _launch(run, 1, ask=False, advance="by-hand")

    launches()
    events, _ = run.journal.read()
    assert [(event.kind, event.data.get("verdict")) for event in events] == [("run_opened", None), ("check", "FAIL")]
