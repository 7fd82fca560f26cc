"""Reasons not to write a report, one clear line each."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from host.problem import Problem
from report import allure
from report.build import write_report


def project_with_a_result(path: Path) -> Path:
    results = path / "build" / "allure-results"
    results.mkdir(parents=True)
    (results / "1-result.json").write_text("{}")
    return path


def fake_node(folder: Path, version: str) -> None:
    program = folder / "node"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)


def test_without_results_there_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="holds no results: run behave"):
        write_report(tmp_path)


def test_without_node_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match="node is missing: apt-get install nodejs npm"):
        write_report(project_with_a_result(tmp_path))


def test_without_npm_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_node(tmp_path, "v20.1.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match="npm is missing: apt-get install nodejs npm"):
        write_report(project_with_a_result(tmp_path))


def test_an_old_node_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_node(tmp_path, "v16.20.2")
    (tmp_path / "npm").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Problem, match=r"node is v16\.20\.2; the report needs 18 or newer"):
        write_report(project_with_a_result(tmp_path))


def test_of_two_reports_at_once_one_installs_the_generator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second would remove what the first has begun to run."""
    installed: list[str] = []
    overlap = threading.Event()

    def install(title: str, *_: object, **__: object) -> None:
        installed.append(title)
        if len(installed) > 1:
            overlap.set()
        overlap.wait(0.2)  # the other one's time to begin as well

    (tmp_path / "package-lock.json").write_text("{}")
    monkeypatch.setattr(allure, "LOCK", tmp_path / "package-lock.json")
    monkeypatch.setattr(allure, "STAMP", tmp_path / "made-from")
    monkeypatch.setattr(allure.progress, "run", install)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(allure.install, [tmp_path / "log"] * 2))
    assert len(installed) == 1
