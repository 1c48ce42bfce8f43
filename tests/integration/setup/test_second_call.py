"""Setup as a person starts it, in a checkout whose Python packages are those of the environment the tests run in."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.setup.layout import Layout
from deployments.setup.python_packages import packages_key

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
LIMIT_S = 120


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    root = tmp_path_factory.mktemp("setup") / "a checkout"
    shutil.copytree(ROOT / "deployments" / "setup", root / "deployments" / "setup")
    (root / "deployments" / "__init__.py").touch()
    for name in ("requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    layout = Layout(root)
    layout.venv.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (layout.venv / name).symlink_to(Path(sys.prefix) / name)
    (layout.venv / "rampart-stamp").write_text(packages_key(layout))
    # To migrate one takes longer than everything that is looked at here.
    layout.prefect_database.parent.mkdir(parents=True)
    shutil.copy(Layout(ROOT).prefect_database, layout.prefect_database)
    pnpm = root / "installed" / "pnpm"  # an installed one: the npm registry is not asked
    pnpm.parent.mkdir()
    pnpm.write_text("#!/bin/sh\necho 10.0.0\n")
    pnpm.chmod(0o755)
    code, output = set_up(layout)
    assert code == 0, output
    return layout


def start(layout: Layout, *options: str) -> subprocess.Popen[str]:
    # The tools of the checkout under test are left out: a stranger's machine does not have them.
    elsewhere = [folder for folder in os.environ["PATH"].split(":") if not Path(folder).is_relative_to(ROOT)]
    path = ":".join([str(layout.root / "installed"), *elsewhere])
    return subprocess.Popen(
        [sys.executable, "-m", "deployments.setup", *options],
        cwd=layout.root,
        env=os.environ | {"PATH": path, "RAMPART_SYSTEM_PACKAGES": "no"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def set_up(layout: Layout, *options: str) -> tuple[int, str]:
    with start(layout, *options) as call:
        output, _ = call.communicate(timeout=LIMIT_S)
    return call.returncode, output


def test_a_second_call_does_nothing_but_say_so(checkout: Layout) -> None:
    code, output = set_up(checkout)
    assert code == 0
    assert output.startswith("setup: everything is in place (")
    assert len(output.splitlines()) == 1


def test_a_tool_that_went_away_is_looked_for_again(checkout: Layout) -> None:
    (checkout.bin / "k6").unlink()
    code, output = set_up(checkout)
    assert code == 0
    assert "setup: tools of this machine" in output
    assert "requirements.lock" not in output
    assert os.access(checkout.bin / "k6", os.X_OK)


def test_two_calls_at_once_do_the_work_once(checkout: Layout) -> None:
    checkout.stamp.unlink()
    calls = [start(checkout), start(checkout)]
    outputs = [call.communicate(timeout=LIMIT_S)[0] for call in calls]
    assert [call.returncode for call in calls] == [0, 0]
    assert sum("setup: complete after" in output for output in outputs) == 1
    assert sum("setup: everything is in place" in output for output in outputs) == 1


def test_every_tool_of_tools_json_starts_from_its_link(checkout: Layout) -> None:
    tools = json.loads(checkout.tools_json.read_text())
    assert {"k6", "node", "npm", "npx", "pnpm", "terraform", "prometheus", "sshd", "chromium", "aws"} <= set(tools)
    printed = subprocess.run(
        [checkout.bin / "npm", "--version"], capture_output=True, text=True, timeout=LIMIT_S, check=True
    )
    assert tools["npm"]["version"] in printed.stdout
    assert int(tools["node"]["version"].split(".")[0]) >= 22


def test_terraformrc_serves_the_provider_to_a_real_init(checkout: Layout, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws" }\n  }\n}\n'
    )
    environ = os.environ | {"TF_CLI_CONFIG_FILE": str(checkout.terraformrc), "CHECKPOINT_DISABLE": "1"}
    done = subprocess.run(
        [checkout.bin / "terraform", "init", "-no-color", "-input=false"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    version = json.loads(checkout.tools_json.read_text())["aws-provider"]["version"]
    assert f"Installed hashicorp/aws v{version}" in done.stdout


def test_quiet_prints_nothing_when_there_is_nothing_to_report(checkout: Layout) -> None:
    assert set_up(checkout, "--quiet") == (0, "")
