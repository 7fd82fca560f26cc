"""A frozen copy of the report, to be published with a release."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from host.problem import Problem

NAME = re.compile(r"\w[\w.-]*", re.ASCII)


def reserve(releases: Path, name: str) -> Path:
    """The folder of a release that is not there yet.

    Raises:
        Problem: the name cannot be a folder's, or the release is there. A release never changes.
    """
    if not NAME.fullmatch(name):
        raise Problem(f"RELEASE='{name}' cannot be a folder's name; choose one such as v1.0")
    folder = releases / name
    if folder.exists():
        raise Problem(f"{folder} exists, and a release does not change; choose another name")
    return folder


def freeze(report: Path, folder: Path) -> Path:
    """Copy the report to the folder of a release and return the path of its page.

    The copy appears at once and whole, so that an interrupted one is not taken for a release.
    """
    unfinished = folder.with_name(f".{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(report, unfinished)
    unfinished.rename(folder)
    return folder / "index.html"
