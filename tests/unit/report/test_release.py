"""Frozen copies of the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.problem import Problem
from report.release import freeze, reserve


def report(path: Path) -> Path:
    (path / "report" / "allure").mkdir(parents=True)
    (path / "report" / "index.html").write_text("our page")
    (path / "report" / "allure" / "index.html").write_text("Allure's")
    return path / "report"


def test_a_release_is_a_whole_copy(tmp_path: Path) -> None:
    page = freeze(report(tmp_path), reserve(tmp_path / "releases", "v1.0"))
    assert page == tmp_path / "releases" / "v1.0" / "index.html"
    assert page.read_text() == "our page"
    assert (page.parent / "allure" / "index.html").read_text() == "Allure's"
    assert [each.name for each in (tmp_path / "releases").iterdir()] == ["v1.0"]


def test_a_release_does_not_change(tmp_path: Path) -> None:
    freeze(report(tmp_path), reserve(tmp_path / "releases", "v1"))
    with pytest.raises(Problem, match="v1 exists, and a release does not change"):
        reserve(tmp_path / "releases", "v1")


@pytest.mark.parametrize("name", ["", ".", "..", "../v1", "a/b", ".hidden", "v 1"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Problem, match="cannot be a folder's name"):
        reserve(tmp_path, name)


def test_a_copy_that_was_interrupted_is_no_release(tmp_path: Path) -> None:
    left = tmp_path / "releases" / ".v1" / "left"
    left.mkdir(parents=True)
    page = freeze(report(tmp_path), reserve(tmp_path / "releases", "v1"))
    assert not (page.parent / "left").exists()
