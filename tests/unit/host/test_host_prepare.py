"""When packages and .venv are made anew."""

import os
from pathlib import Path

import pytest

from host import daemons, engine, packages, provider, venv
from host.packages import Package
from host.problem import Problem


def test_every_package_has_a_reason_and_is_named_once() -> None:
    names = [package.name for package in packages.PACKAGES]
    assert len(set(names)) == len(names)
    assert all(package.reason for package in packages.PACKAGES)


def test_a_program_from_elsewhere_spares_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not packages.program("npm")()
    (tmp_path / "npm").touch(mode=0o755)
    assert packages.program("npm")()


def test_each_provider_needs_its_own_packages_and_what_all_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(packages, "VAGRANT_PLUGINS", tmp_path)
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path))
    needed = {
        provider: {package.name for package in packages.missing(provider)}
        for provider in packages.ALL
    }
    assert all("vagrant" in names for names in needed.values())
    assert "libvirt-daemon-system" not in needed["docker"] | needed["virtualbox"]
    assert "vagrant-libvirt" in needed["libvirt"]
    assert "docker.io" not in needed["libvirt"]
    assert "qemu-utils" in needed["virtualbox"]


def test_a_plugin_of_vagrant_is_debians_or_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "VAGRANT_PLUGINS", tmp_path / "debian")
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path))
    assert not packages.has_vagrant_plugin("vagrant-libvirt")
    (tmp_path / "plugins.json").write_text('{"installed": {"vagrant-libvirt": {}}}')
    assert packages.has_vagrant_plugin("vagrant-libvirt")
    assert not packages.has_vagrant_plugin("libvirt")


@pytest.mark.parametrize("chosen", ["libvirt", "virtualbox"])
def test_a_virtual_machine_starts_from_our_box_unless_another_is_named(
    chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = ["box", "vm", "--provider", chosen, "--add"]
    monkeypatch.delenv("DEMO_BOX", raising=False)
    assert provider.builds(chosen) == [["box", "story"], ["host", "deb"], ours]
    monkeypatch.setenv("DEMO_BOX", "debian/trixie64")
    assert provider.builds(chosen) == [["box", "story"], ["host", "deb"]]


def test_only_services_that_came_just_now_are_stopped() -> None:
    etcd = Package("etcd-server", "", lambda: True, service="etcd")
    vagrant = Package("vagrant", "", lambda: True)
    assert packages.unwanted_services((vagrant, etcd)) == ["etcd"]
    assert packages.unwanted_services((vagrant,)) == []


def test_the_stamp_changes_with_the_lock_file_the_interpreter_and_the_folder() -> None:
    stamps = {
        venv.wanted_stamp(lock, python, Path(folder))
        for lock in (b"a==1", b"a==2")
        for python in ("3.11", "3.12")
        for folder in ("/here/.venv", "/moved/.venv")
    }
    assert len(stamps) == 8


def test_the_last_line_of_a_log_skips_blank_ones(tmp_path: Path) -> None:
    log = tmp_path / "dockerd.log"
    assert daemons.last_line(log) == "(the log is empty)"
    log.write_text("first\n failed to start daemon \n\n")
    assert daemons.last_line(log) == "failed to start daemon"


@pytest.mark.parametrize(
    ("journal", "reason"),
    [("failed to start daemon: no disk", "no disk;"), ("", r"\(it says nothing\);")],
)
def test_an_engine_systemd_cannot_start_is_one_line_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal: str, reason: str
) -> None:
    for name, does in {
        "docker": "exit 1",
        "systemctl": "exit 1",
        "journalctl": f"echo '{journal}'",
    }.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine, "SYSTEMD", tmp_path)
    monkeypatch.setattr(engine, "LOGS", tmp_path)
    with pytest.raises(Problem, match=reason) as problem:
        engine.start()
    assert "\n" not in str(problem.value)
