"""Provision: apply the approved plan, start the system, seed it, and see that it is well."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.models.verdict import passed
from flows.approvals import ask as ask_person
from flows.approvals import decided_by_form
from flows.phase import phase
from tasks.artifacts import show_links
from tasks.checks import PhaseStopped, check
from tasks.cost import estimate_cost
from tasks.dashboard import check_dashboard, links
from tasks.images import IMAGE_TAG, build_and_push, judge_images, log_in_to_registry, read_pushed
from tasks.infrastructure import api_url, apply_plan, judge_outputs, loadgen_addresses, read_outputs
from tasks.lease import require_lease
from tasks.load import install_load_generators, read_users_file
from tasks.ready import wait_until_ready
from tasks.run import Run
from tasks.sut import judge_services, judge_users, prepare_database, seed_users, start_services, wait_for_health


@flow(name="provision", flow_run_name="provision of {environment}")
def provision(
    run_id: str, environment: str, profile: str, *, ask: bool = True, approval_timeout_s: float = 1800.0
) -> State[Any]:
    """Apply, collect the outputs, push images, start services, prepare the database and the users, open the dashboard."""
    with phase("provision", run_id, environment, profile) as opened:
        run = opened.run
        _approve(run, ask=ask, timeout_s=approval_timeout_s)
        with check(run, "provision.apply") as checking:
            require_lease(run)
            made = apply_plan(run)
            checking.judge(passed(f"{made} resources made, as planned and approved"))
        with check(run, "provision.outputs") as checking:
            judgement = judge_outputs(read_outputs(run))
            if judgement.passed:
                seconds = wait_until_ready(run)
                judgement = passed(f"{judgement.detail}; all answered {seconds:.0f} s after apply")
            checking.judge(judgement)
        run.journal.append(
            "provision",
            "fact",
            loadgens=len(loadgen_addresses(run)),
            users=run.profile.users.count,
            resources=made,
            image_tag=IMAGE_TAG,
        )
        run.journal.append("provision", "links", **links(run))
        show_links(run)
        # k6 is a large file: it is copied while images are built; what is there is not copied again.
        copied = install_load_generators.submit(run)
        # A browser takes seconds to open the dashboard, whose servers stand by now.
        dashboard = check_dashboard.submit(run)
        with check(run, "provision.registry_login") as checking:
            checking.judge(passed(f"logged in to {log_in_to_registry(run)}; the password went over standard input"))
        with check(run, "provision.images") as checking:
            architecture = run.record().facts["architecture"]
            pushed = build_and_push(run, architecture)
            checking.judge(judge_images(pushed, read_pushed(run), architecture))
        with check(run, "provision.services") as checking:
            checking.judge(judge_services(start_services(run), pushed))
        with check(run, "provision.health") as checking:
            health = wait_for_health(run)
            url = api_url(run) + run.environment.services.health_path
            checking.judge(passed(f"{url}: 200 at attempt {health.attempts}, after {health.seconds:.1f} s"))
        with check(run, "provision.database") as checking:
            checking.judge(passed("migrations and seed ended with exit code 0"), prepare_database(run))
        with check(run, "provision.users") as checking:
            checking.judge(passed(seed_users(run)))
        with check(run, "provision.users_file") as checking:
            copied.result()
            install_load_generators(run)
            checking.judge(judge_users(read_users_file(run), run.profile.users.count))
        with check(run, "provision.dashboard") as checking:
            judgement, picture = dashboard.result()
            checking.judge(judgement, picture)
    return opened.outcome


def _approve(run: Run, *, ask: bool, timeout_s: float) -> None:
    """Ask before money is spent."""
    planned = [event for event in run.journal.read()[0] if event.kind == "terraform"][-1].data
    cost = estimate_cost(run)
    price = "**No estimate**" if cost.estimated_usd is None else f"**About {cost.estimated_usd:.2f} USD**"
    price = f"{price}: {cost.basis}."
    asked = f"Apply the plan: {planned['adds']} resources in {run.environment.region}?"
    page = (
        f"Terraform will add **{planned['adds']}** resources, change {planned['changes']} and destroy {planned['destroys']}, in account "
        f"{run.environment.account_id}, region {run.environment.region}.\n\n{price}\n\nThe saved plan `{planned['sha256'][:12]}` is what is applied. "
        "**go** spends money from now on; everything is destroyed at the end, whatever happens."
    )
    decision = (
        ask_person(run, "provision", asked, page, timeout_s) if ask else decided_by_form(run, "provision", asked, "go")
    )
    if decision.answer != "go":
        raise PhaseStopped(f"{decision.by} halted the run before the plan was applied")
