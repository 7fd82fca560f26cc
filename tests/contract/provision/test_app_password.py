"""The password of the app's databases, made by the script that provisioning runs."""

from __future__ import annotations

import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "provision" / "app-password"

pytestmark = pytest.mark.contract


def make(directory: Path) -> None:
    subprocess.run([SCRIPT, directory], check=True, timeout=60)


def test_the_password_is_made_once_and_the_same_for_all_readers(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    make(secrets)
    password = (secrets / "password").read_text()
    assert len(password.strip()) == 64
    assert (secrets / "redis.conf").read_text() == f"requirepass {password}"
    make(secrets)
    assert (secrets / "password").read_text() == password
    (secrets / "redis.conf").unlink()
    make(secrets)
    assert (secrets / "redis.conf").read_text() == f"requirepass {password}"


def test_two_directories_have_two_passwords(tmp_path: Path) -> None:
    make(tmp_path / "one")
    make(tmp_path / "other")
    assert (tmp_path / "one/password").read_text() != (tmp_path / "other/password").read_text()


def test_only_root_gets_at_the_files_which_containers_may_read(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o777)
    make(secrets)
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in secrets.iterdir()}
    assert modes == {"password": 0o444, "redis.conf": 0o444}


def test_without_a_program_that_makes_one_it_fails_and_leaves_no_empty_password(
    tmp_path: Path,
) -> None:
    (tmp_path / "openssl").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "openssl").chmod(0o755)
    secrets = tmp_path / "secrets"
    path = f"{tmp_path}:/usr/bin:/bin"
    done = subprocess.run([SCRIPT, secrets], check=False, timeout=60, env={"PATH": path})
    assert done.returncode != 0
    assert list(secrets.iterdir()) == []


def test_several_at_once_make_one_password(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(make, [tmp_path / "secrets"] * 8))
    password = (tmp_path / "secrets/password").read_text()
    assert (tmp_path / "secrets/redis.conf").read_text() == f"requirepass {password}"
