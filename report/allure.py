"""Allure 3, from npm: installed where it is missing, run on what behave left."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from host import progress
from host.problem import Problem
from report.offline import make_offline

HERE = Path(__file__).resolve().parent
LOCK = HERE / "package-lock.json"
MODULES = HERE / "node_modules"
STAMP = MODULES / "made-from"
OLDEST_NODE = 18  # Debian 12's own; Allure 3.18.0 was run on 18.20 and 20.20


HISTORY = Path("build/history.jsonl")  # as in allurerc.mjs


class WrongCount(Exception):
    """The report does not show what was run; the message holds both numbers."""


def write_allure(project: Path, output: Path) -> Path:
    """Build Allure's report of the last run in `output` and return the path of its page.

    The page is one file that needs no server and no network. The history of earlier reports is
    read from and added to build/history.jsonl.

    Args:
        project: the folder behave was started in; results are in build/allure-results below it,
            and build/environment.json, where it exists, is a JSON object of strings that the
            report shows as given, e.g. `{"Provider": "docker", "Engine": "26.1.5"}`.

    Raises:
        Problem: nothing was run, or node or npm is missing or too old.
        StepFailed: installing or running Allure failed.
        ExternalLoad: the page would load something from elsewhere.
        WrongCount: the report has fewer or more tests than there are results.
    """
    results = project / "build" / "allure-results"
    logs = project / "build" / "log"
    count = sum(1 for _ in results.glob("*-result.json"))
    if not count:
        raise Problem(f"{results} holds no results: run behave (make test) first")
    _check_node()
    install(logs / "npm.log")
    shutil.rmtree(output, ignore_errors=True)
    progress.run(
        f"Writing Allure's report of {count} scenarios",
        [
            "node", str(MODULES / "allure" / "cli.js"), "generate", str(results),
            "--config", str(HERE / "allurerc.mjs"), "--output", str(output),
        ],
        logs / "allure.log",
        cwd=project,
    )  # fmt: skip
    page = output / "index.html"
    make_offline(page)
    shown = json.loads((output / "summary.json").read_text())["stats"]["total"]
    if shown != count:
        raise WrongCount(
            f"the report shows {shown} tests but {count} were run; "
            "do two scenarios of one Feature or Rule have the same name?"
        )
    return page


def result_ids(project: Path) -> dict[tuple[str, int], str]:
    """(full name, start) of each result in the last report -> what its address there ends in."""
    last = (project / HISTORY).read_text(encoding="utf-8").splitlines()[-1]
    shown = json.loads(last)["testResults"].values()
    return {(each["fullName"], each["start"]): each["id"] for each in shown}


def _check_node() -> None:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Problem(f"{program} is missing: apt-get install nodejs npm")
    answer = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    version = answer.stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        raise Problem(f"node is {version}; the report needs {OLDEST_NODE} or newer")


def install(log: Path) -> None:
    """Make node_modules what the lock file says; the stamp is written last.

    One process at a time: npm removes everything first, from under another one that runs it.
    """
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    with LOCK.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if STAMP.exists() and STAMP.read_text() == wanted:
            return
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        progress.run("Installing the report generator", command, log, cwd=HERE)
        STAMP.write_text(wanted)
