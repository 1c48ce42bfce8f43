from pathlib import Path

import pytest

from deployments.rehearsal.cloud.console import BEGIN, END, HOST_KEYS_VARIABLE, console_text

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDummyDummyDummyDummyDummyDummyDummyDummyDu root@sut"


def test_the_host_keys_stand_between_the_lines_of_cloud_init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{KEY}\n\n", encoding="utf-8")
    monkeypatch.setenv(HOST_KEYS_VARIABLE, str(file))
    lines = console_text().splitlines()
    assert lines[lines.index(BEGIN) + 1 : lines.index(END)] == [KEY]


def test_without_host_keys_the_console_shows_a_boot_without_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HOST_KEYS_VARIABLE, raising=False)
    assert "Linux version" in console_text()
    assert BEGIN not in console_text()


def test_a_file_that_is_not_there_yet_is_a_console_without_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOST_KEYS_VARIABLE, str(tmp_path / "later"))
    assert BEGIN not in console_text()
