"""The driver as a Debian package, with the Python libraries it needs in the locked versions.

build/deb/flocker_<version>_<architecture>.deb   what every machine installs the driver from
build/deb/flocker_<version>_<architecture>.deb.asc   its signature, if SIGNING_KEY names a key
build/deb/made-from                              a hash of all that went into it
build/deb/wheels/                                the libraries as they were downloaded
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from host import BUILD, LOGS, ROOT, progress
from host.commands import attempt
from host.inputs import files_below, hash_of
from host.problem import Problem
from host.venv import LOCK, VENV

PACKAGE = "flocker"
SOURCES = ("debian", "flocker")
LIBRARIES = ROOT / "debian" / "libraries"
FOLDER = BUILD / "deb"
WHEELS = FOLDER / "wheels"
STAMP = FOLDER / "made-from"

COMPILED = "pydantic-core"
PYTHONS = ("3.11", "3.12", "3.13")
"""Of Debian 12, Ubuntu 24.04 and Debian 13; debian/control keeps others out."""

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""Debian's architectures as the names of wheels have them."""


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process builds: Vagrant asks for the package once per node, at once."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_current() -> bool:
    """True if the package is there and made of what the checkout has now."""
    return package().exists() and STAMP.exists() and STAMP.read_text() == inputs()


def package() -> Path:
    """Where the package is, or will be."""
    return FOLDER / f"{PACKAGE}_{version()}_{architecture()}.deb"


def version() -> str:
    """The package's version: that of the first entry of debian/changelog."""
    return (ROOT / "debian" / "changelog").read_text().partition("(")[2].partition(")")[0]


def architecture() -> str:
    """This machine's, as Debian calls it.

    Raises:
        Problem: the one compiled library is not asked for there.
    """
    answer = (attempt("dpkg", "--print-architecture") or "").strip()
    if answer not in MACHINES:
        raise Problem(
            f"the driver's package is made for {' and '.join(MACHINES)}, not for "
            f"'{answer or 'a machine without dpkg'}'; build it on one of these"
        )
    return answer


def inputs() -> str:
    """Hash of all that makes a difference to the package."""
    digest = hashlib.sha256(hash_of(ROOT, *SOURCES).encode())
    for program in ("deb.py", "bom.py"):
        digest.update(Path(__file__).with_name(program).read_bytes())
    digest.update("".join(locked(LOCK.read_text(), library_names())).encode())
    return f"{digest.hexdigest()}\n"


def library_names() -> list[str]:
    """The libraries the package carries, as requirements.lock calls them."""
    lines = LIBRARIES.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def locked(lock: str, names: list[str]) -> list[str]:
    """The entries of a lock file, version and hashes, for some of its packages.

    Raises:
        Problem: it has none for one of them.
    """
    entries = {
        entry.partition("==")[0]: entry for entry in re.split(r"(?m)^(?=[a-z0-9])", lock)
    }  # fmt: skip
    missing = [name for name in names if name not in entries]
    if missing:
        raise Problem(
            f"requirements.lock has no {', '.join(missing)}, which debian/libraries names"
        )
    return [entries[name] for name in names]


def build() -> None:
    """Make the package; it appears only when it is whole.

    Raises:
        StepFailed: a library could not be had or has another hash, or debhelper refuses.
        Problem: as `architecture` and `locked`.
    """
    made_from = inputs()
    target = package()
    _fetch_libraries()
    with tempfile.TemporaryDirectory(dir=FOLDER) as scratch:
        source = Path(scratch) / "source"
        _lay_out(source)
        progress.run(
            "Building the driver's Debian package",
            # Debian's own list of what every build may need has compilers; nothing is compiled.
            ["dpkg-buildpackage", "--build=binary", "--no-sign", "--ignore-builtin-builddeps"],
            LOGS / "deb.log",
            cwd=source,
            env=_environment(),
        )
        for older in (*FOLDER.glob("*.deb"), *FOLDER.glob("*.deb.asc")):
            older.unlink()
        (Path(scratch) / target.name).rename(target)
    STAMP.write_text(made_from)


def sign(key: str) -> Path:
    """Put a signature of the package beside it, made by GnuPG with a key of its user's.

    Raises:
        StepFailed: there is no such key, or it cannot be used without a question.
    """
    signature = package().with_suffix(".deb.asc")
    signature.unlink(missing_ok=True)
    progress.run(
        f"Signing the driver's Debian package with {key}",
        [
            "gpg", "--batch", "--yes", "--armor", "--local-user", key, "--output", str(signature),
            "--detach-sign", str(package()),
        ],
        LOGS / "deb-sign.log",
    )  # fmt: skip
    return signature


def described() -> str:
    """The package's path, size and hash, and how it is installed."""
    path = package()
    content = path.read_bytes()
    shown = path.relative_to(ROOT)
    return (
        f"{shown}  {len(content) / 1e6:.1f} MB  sha256 {hashlib.sha256(content).hexdigest()}\n"
        f"install it: apt install ./{shown}"
    )


def _fetch_libraries() -> None:
    """Have the wheels in WHEELS, those of the lock file and no others; pip checks their hashes."""
    names = library_names()
    lock = LOCK.read_text()
    pure = [name for name in names if name != COMPILED]
    wanted = [(pure, ["--implementation=py", "--abi=none", "--platform=any"])]
    wanted += [([COMPILED], _compiled_for(python)) for python in PYTHONS]
    stamp = WHEELS / "made-from"
    key = "".join(locked(lock, names)) + repr(wanted)
    if stamp.exists() and stamp.read_text() == key:
        return
    shutil.rmtree(WHEELS, ignore_errors=True)
    WHEELS.mkdir()
    for number, (some, options) in enumerate(wanted, start=1):
        requirements = WHEELS / "requirements.txt"
        requirements.write_text("".join(locked(lock, some)))
        progress.run(
            f"Fetching the driver's Python libraries ({number} of {len(wanted)})",
            [
                str(VENV / "bin" / "python"), "-m", "pip", "download", "--no-input",
                "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
                "--require-hashes", "--requirement", str(requirements), "--dest", str(WHEELS),
                *options,
            ],
            LOGS / "deb-libraries.log",
        )  # fmt: skip
    stamp.write_text(key)


def _compiled_for(python: str) -> list[str]:
    """Options of pip for wheels compiled for an interpreter, and for Debian 12 and later."""
    return [
        "--implementation=cp", f"--python-version={python}", f"--abi=cp{python.replace('.', '')}",
        f"--platform=manylinux_2_17_{MACHINES[architecture()]}",
    ]  # fmt: skip


def _lay_out(source: Path) -> None:
    """Copy to `source` what debian/rules works on, all of it with the time of the changelog.

    dpkg-deb lowers the times of what is newer than the changelog, and nothing raises those of
    what is older: two checkouts would make two packages.
    """
    for folder in SOURCES:
        for path in files_below(ROOT / folder):
            copy = source / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    for wheel in sorted(WHEELS.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            used = [name for name in archive.namelist() if _is_used(name)]
            archive.extractall(source / "libraries", used)
    seconds = int(
        attempt("dpkg-parsechangelog", "-l", f"{source}/debian/changelog", "-STimestamp") or 0
    )
    (source / "flocker.cdx.json").write_text(_bill_of_materials(seconds))
    for path in source.rglob("*"):
        os.utime(path, (seconds, seconds))


def _bill_of_materials(seconds: int) -> str:
    wheels = sorted(map(str, WHEELS.glob("*.whl")))
    return subprocess.run(
        [str(VENV / "bin" / "python"), "-m", "host.bom", version(), str(seconds), *wheels],
        check=True,
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def _is_used(name: str) -> bool:
    """True if a file of a wheel is: not what a library tests itself with, nor pip's records."""
    *folders, file = name.split("/")
    return not {"tests", "_tests"}.intersection(folders) and file != "RECORD"


def _environment() -> dict[str, str]:
    """This process's, without what would change the package."""
    kept = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("DEB_", "DH_", "PYTHON")) and name != "SOURCE_DATE_EPOCH"
    }  # fmt: skip
    return {**kept, "LC_ALL": "C.UTF-8"}
