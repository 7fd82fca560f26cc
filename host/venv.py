"""The Python packages of the suite, in .venv, exactly as requirements.lock names them."""

import hashlib
import sys
from pathlib import Path

from host import LOGS, ROOT, progress

VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "made-from"


def wanted_stamp(lock: bytes, python: str, folder: Path) -> str:
    """The inputs of .venv: this lock file, this interpreter, and the folder that its programs name.

    A checkout that was moved or copied has programs that name the .venv of another one.
    """
    return hashlib.sha256(lock).hexdigest() + f" {python} {folder}\n"


def is_current() -> bool:
    """True if .venv is complete and was made from today's lock file."""
    return STAMP.exists() and STAMP.read_text() == _wanted()


def make() -> None:
    """Make .venv anew, so that it holds what the lock file names and nothing else.

    The stamp is written last: an interrupted installation is started over. A link to the .venv of
    another checkout is replaced, and that one is left as it is.

    Raises:
        StepFailed: a package could not be had, or has another hash than the lock file says.
    """
    if VENV.is_symlink():
        VENV.unlink()
    progress.run(
        "Making .venv", [sys.executable, "-m", "venv", "--clear", str(VENV)], LOGS / "venv.log"
    )
    progress.run(
        "Installing the Python packages of requirements.lock",
        [
            str(VENV / "bin" / "python"), "-m", "pip", "install", "--no-input",
            "--disable-pip-version-check", "--require-hashes", "--requirement", str(LOCK),
        ],
        LOGS / "pip.log",
    )  # fmt: skip
    _make_checkout_importable()
    STAMP.write_text(_wanted())


def _make_checkout_importable() -> None:
    """Put the checkout on .venv's path: behave imports its formatter before it looks here."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = VENV / "lib" / python / "site-packages"
    (packages / "volume-plugins-demo.pth").write_text(f"{ROOT}\n")


def _wanted() -> str:
    return wanted_stamp(LOCK.read_bytes(), f"{sys.executable} {sys.version}", VENV.resolve())
