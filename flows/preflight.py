"""Pre-flight: everything that can be wrong is found before anything is provisioned."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.models.verdict import Verdict, passed, worse
from flows.phase import phase
from tasks.account import judge_credentials, judge_identity, judge_quotas, read_architecture, read_identity, read_quotas
from tasks.checks import check, stop_unless_passed
from tasks.cost import note_inactive_tag
from tasks.infrastructure import make_plan
from tasks.limits import guard_rules
from tasks.load import read_ramp_plan, refuse_unknown_stage
from tasks.metrics import refuse_unknown_metrics
from tasks.rules.advance import Advance, refuse_start_stage
from tasks.rules.plan import judge_plan
from tasks.tools import judge_tools, read_and_judge_tfvars, read_missing_inputs, read_tools


@flow(name="preflight", flow_run_name="preflight of {environment}")
def preflight(  # noqa: PLR0913 - the form of a pre-flight
    run_id: str,
    environment: str,
    profile: str,
    *,
    with_ramp: bool = True,
    start_stage: int = 1,
    advance: Advance = "by-hand",
) -> State[Any]:
    """Check the account, the variables, the plan, the quotas, the tools and the ramp's script."""
    with phase("preflight", run_id, environment, profile) as opened:
        run = opened.run
        with check(run, "preflight.identity") as checking:
            judgement = judge_credentials(run)
            if judgement.verdict is not Verdict.FAIL:
                judgement = worse(judge_identity(read_identity(run), run.environment.account_id), judgement)
            checking.judge(judgement)
        with check(run, "preflight.tfvars") as checking:
            checking.judge(read_and_judge_tfvars(run))
        if with_ramp:
            with check(run, "ramp.launch") as checking:
                plan = read_ramp_plan(run)
                refuse_unknown_stage(plan, start_stage)
                refuse_start_stage(advance, start_stage)
                rules, _ = guard_rules(run, plan)
                refuse_unknown_metrics(run, rules, loaded=False)
                checking.judge(
                    passed(
                        f"{run.profile.ramp.script}: {len(plan.levels)} stages up to {plan.levels[-1].amount:g} {plan.unit}"
                    )
                )
        # Every tool is started once for its version, which takes as long as Terraform is waited for anyway.
        tools, missing = read_tools.submit(run), read_missing_inputs.submit(run)
        with check(run, "preflight.plan") as checking:
            planned = make_plan(run)
            checking.judge(judge_plan(planned, run.environment.expected_plan), run.evidence / "plan.json")
        note_inactive_tag(run)
        with check(run, "preflight.quotas", needed=False) as checking:
            checking.judge(judge_quotas(read_quotas(run, planned)))
        with check(run, "preflight.tools", needed=False) as checking:
            architecture = read_architecture(run, planned.sut_types)
            checking.judge(judge_tools(tools.result(), missing.result(), architecture))
        run.journal.append(
            "preflight", "fact", region=run.environment.region, architecture=architecture,
            instance_types=", ".join(sorted(set(planned.instance_types))), sut_instance_type=", ".join(sorted(set(planned.sut_types))),
        )  # fmt: skip
        stop_unless_passed(run, "preflight")
    return opened.outcome
