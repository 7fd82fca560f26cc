"""When packages and .venv are made anew, and how a run is counted."""

import os
from pathlib import Path

import pytest

from host import daemons, engine, packages, provider, tally, venv
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


def test_the_stamp_changes_with_the_lock_file_and_with_the_interpreter() -> None:
    stamps = {
        venv.wanted_stamp(lock, python)
        for lock in (b"a==1", b"a==2")
        for python in ("3.11", "3.12")
    }
    assert len(stamps) == 4


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


PYTEST = """<testsuites><testsuite><testcase name="a"/>
<testcase classname="tests.b" name="b"><failure message="first line&#10;second"/></testcase>
<testcase name="c"><skipped/></testcase></testsuite></testsuites>"""
BEHAVE = """<testsuite><testcase name="a" status="passed"><system-out>x</system-out></testcase>
<testcase classname="walkthrough.The story" name="whales" status="hook_error"><error>
HOOK-ERROR: no node</error><system-out>x</system-out></testcase></testsuite>"""


def test_what_failed_and_why_is_told_over_all_programs(tmp_path: Path) -> None:
    (tmp_path / "unit.xml").write_text(PYTEST)
    (tmp_path / "TESTS-walkthrough.xml").write_text(BEHAVE)
    assert tally.closing_lines(tmp_path, status=1) == [
        "failed: walkthrough.The story: whales",
        "    HOOK-ERROR: no node",
        "failed: tests.b: b",
        "    first line",
        "    second",
        "2 passed, 2 failed",
    ]


def test_a_long_reason_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "unit.xml").write_text(PYTEST.replace("second", "long " * 1000))
    assert 900 < len("".join(tally.closing_lines(tmp_path, status=1))) < 1200


def test_a_file_that_is_not_whole_counts_as_one_failure(tmp_path: Path) -> None:
    (tmp_path / "unit.xml").write_text(PYTEST[:60])
    (tmp_path / "empty.xml").touch()
    (tmp_path / "TESTS-walkthrough.xml").write_text(BEHAVE)
    assert tally.count(tmp_path) == (1, 3)
    told = tally.closing_lines(tmp_path, status=1)
    assert "failed: unit.xml was not written to its end" in told


def test_a_red_run_without_a_failed_test_counts_as_one_failure(tmp_path: Path) -> None:
    assert tally.closing_lines(tmp_path, status=2) == ["0 passed, 1 failed"]
    assert tally.closing_lines(tmp_path, status=0) == ["0 passed, 0 failed"]
