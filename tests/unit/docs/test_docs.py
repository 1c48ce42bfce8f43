"""The documents agree with the code. As a command it writes the record's schema: ``python -m tests.unit.docs.test_docs``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from blocks.load_profile import LoadProfile
from blocks.models import rules, settings, triage
from blocks.models.checklist import CHECKLIST
from blocks.models.event import Kind
from blocks.models.record import Record
from blocks.perf_environment import PerfEnvironment

ROOT = Path(__file__).parents[3]
README = ROOT / "README.md"
REFERENCE = ROOT / "docs" / "reference.md"
SCHEMA = ROOT / "docs" / "record.schema.json"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
REGENERATE = ".venv/bin/python -m tests.unit.docs.test_docs"

PARTS: tuple[type[BaseModel], ...] = (
    PerfEnvironment, settings.CostCheck, settings.SshAccess, settings.ExpectedPlan, settings.QuotaCodes, settings.Image, settings.Services,
    settings.Observability, settings.MetricNames, LoadProfile, settings.Smoke, settings.Ramp, settings.Users, rules.GuardRule,
    rules.StabilityRule, rules.ExpectedException, triage.TriageRules,
)  # fmt: skip


def published_schema() -> str:
    """Return docs/record.schema.json as the model asks for it."""
    schema = {
        **Record.model_json_schema(mode="serialization"),
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rampart: record.json of a run",
    }
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def without_fences(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as a forge makes them."""
    headings = re.findall(r"^#+ (.+)$", without_fences(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(page: Path, heading: str) -> str:
    found = re.search(rf"^(#+) {re.escape(heading)}$(.*?)(?=^\1 |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{page.name} has no heading '{heading}'"
    return found[2]


def first_cells(text: str) -> list[str]:
    """Return what stands in backticks in the first column of a section's tables."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def test_the_published_schema_is_the_record_models() -> None:
    published = SCHEMA.read_text() if SCHEMA.exists() else ""
    assert published == published_schema(), f"docs/record.schema.json is not the model's; write it again: {REGENERATE}"


def test_the_published_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_resolves(page: Path) -> None:
    targets = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", without_fences(page.read_text()))
    broken = []
    for target in targets:
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


def test_every_make_target_of_the_readme_exists() -> None:
    text = README.read_text()
    code = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text))
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", code))
    known = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"rehearsal", "test", "ci", "setup"} <= named
    assert named <= known


def test_the_readme_names_the_deployments_that_exist() -> None:
    named = first_cells(section(README, "Deployments"))
    deployed = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())["deployments"]
    assert sorted(named) == sorted(item["name"] for item in deployed)


def test_the_readme_names_the_checks_that_are_not_implemented() -> None:
    named = re.findall(r"^- `([^`]+)`", section(README, "Status"), re.MULTILINE)
    assert named == [item.id for item in CHECKLIST if not item.implemented]


def test_the_reference_has_every_check_with_its_title() -> None:
    rows = dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", section(REFERENCE, "Checks"), re.MULTILINE))
    assert rows == {item.id: item.title for item in CHECKLIST}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_the_reference_has_every_field_of_the_blocks(part: type[BaseModel]) -> None:
    # A block's table ends where its first part's begins.
    text = re.split(r"^#{3,4} ", section(REFERENCE, part.__name__), flags=re.MULTILINE)[0]
    documented = set(first_cells(text.partition("The default guard rules")[0]))
    assert documented == {name for name in part.model_fields if not name.startswith("_")}


def test_the_reference_has_every_kind_of_event() -> None:
    assert first_cells(section(REFERENCE, "The journal")) == list(get_args(Kind))


def test_the_reference_names_every_field_of_the_record() -> None:
    text = section(REFERENCE, "record.json")
    assert not [name for name in Record.model_fields if f"`{name}`" not in text and f"`{name}[]`" not in text]


if __name__ == "__main__":
    SCHEMA.write_text(published_schema())
