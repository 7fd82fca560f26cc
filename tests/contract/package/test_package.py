"""The driver's Debian package: what is in it, what Debian's own checker says, and whether a second
build makes the same file."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from host import ROOT, deb
from host.progress import StepFailed

pytestmark = pytest.mark.contract

LINTIAN_SECONDS = 120
SOME_OTHER_TIME = 1_000_000_000


@pytest.fixture(scope="session")
def package() -> Path:
    """The package of this checkout, built unless it is there."""
    with deb.alone():
        if not deb.is_current():
            deb.build()
    return deb.package()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the package is made from, in another checkout, written at another time by others."""
    checkout = tmp_path / "check out"
    for folder in deb.SOURCES:
        shutil.copytree(ROOT / folder, checkout / folder)
    for path in checkout.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
        os.utime(path, (SOME_OTHER_TIME, SOME_OTHER_TIME))
    monkeypatch.setattr(deb, "ROOT", checkout)
    monkeypatch.setattr(deb, "FOLDER", checkout / "build")
    monkeypatch.setattr(deb, "STAMP", checkout / "build" / "made-from")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    return checkout


def contents(package: Path) -> list[str]:
    listed = subprocess.run(
        ["dpkg-deb", "--contents", str(package)], check=True, capture_output=True, text=True
    )
    return listed.stdout.splitlines()


def paths(package: Path) -> list[str]:
    """Absolute paths of the files, folders left out."""
    found = (line.split()[5].removeprefix(".") for line in contents(package))
    return [path for path in found if not path.endswith("/")]


def test_debians_checker_finds_nothing(package: Path) -> None:
    done = subprocess.run(
        ["lintian", "--display-info", "--fail-on=error,warning,info", str(package)],
        check=False, capture_output=True, text=True, timeout=LINTIAN_SECONDS,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_another_checkout_makes_the_same_package_until_something_changes(
    package: Path, elsewhere: Path
) -> None:
    with deb.alone():
        assert not deb.is_current()
        deb.build()
        assert deb.is_current()
    assert deb.package().is_relative_to(elsewhere)
    assert deb.package().read_bytes() == package.read_bytes()
    with (elsewhere / "flocker" / "base" / "config.py").open("a") as file:
        file.write("\n")
    assert not deb.is_current()


def test_a_library_with_another_hash_is_not_taken(
    package: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = elsewhere / "requirements.lock"
    lock.write_text(re.sub(r"(?<=sha256:)[0-9a-f]{8}", "00000000", deb.LOCK.read_text()))
    monkeypatch.setattr(deb, "LOCK", lock)
    monkeypatch.setattr(deb, "WHEELS", elsewhere / "wheels")
    with deb.alone(), pytest.raises(StepFailed, match="DO NOT MATCH THE HASHES"):
        deb.build()
    assert not deb.package().exists()
    assert package.exists()


def test_a_build_that_fails_leaves_no_package(elsewhere: Path) -> None:
    (elsewhere / "debian" / "install").write_text("nothing/of/this usr/bin\n")
    with deb.alone(), pytest.raises(StepFailed, match="nothing/of/this"):
        deb.build()
    assert [path.name for path in (elsewhere / "build").iterdir()] == ["lock"]


def test_everything_is_roots_and_in_the_drivers_own_places(package: Path) -> None:
    assert {line.split()[1] for line in contents(package)} == {"root/root"}
    strangers = [
        path for path in paths(package)
        if not path.startswith(("/usr/lib/flocker/", "/usr/share/doc/flocker/"))
    ]  # fmt: skip
    assert sorted(strangers) == [
        "/usr/bin/flocker",
        "/usr/lib/systemd/system/docker.service.d/flocker.conf",
        "/usr/lib/systemd/system/flocker-fence.service",
        "/usr/lib/systemd/system/flocker-firewall.service",
        "/usr/lib/systemd/system/flocker-pool.service",
        "/usr/lib/systemd/system/flocker.service",
        "/usr/lib/systemd/system/flocker.socket",
        "/usr/libexec/flocker/firewall",
        "/usr/libexec/flocker/pool",
        "/usr/share/flocker/containers.nft",
        "/usr/share/lintian/overrides/flocker",
        "/usr/share/man/man1/flocker.1.gz",
    ]


def test_it_serves_the_pythons_of_debian_12_and_13_and_of_ubuntu_2404(package: Path) -> None:
    compiled = {Path(path).name.split("-")[1] for path in paths(package) if path.endswith(".so")}
    assert compiled == {"311", "312", "313"}


def test_no_bytecode_and_no_tests_come_along(package: Path) -> None:
    unused = {"__pycache__", "tests", "_tests", "RECORD", "setuptools"}
    assert [path for path in paths(package) if unused.intersection(path.split("/"))] == []


def test_each_library_brings_its_licence(package: Path) -> None:
    told = {
        Path(path).parts[4] for path in paths(package)
        if re.search(r"\.dist-info/.*(LICEN[CS]E|COPYING)", path)
    }  # fmt: skip
    assert len(told) == len(deb.library_names())


@pytest.mark.parametrize(
    "module", ["flocker.daemon", "flocker.fence.fence", "flocker.cli.commands"]
)
def test_the_driver_needs_no_other_library(package: Path, tmp_path: Path, module: str) -> None:
    subprocess.run(["dpkg-deb", "--extract", str(package), str(tmp_path)], check=True)
    done = subprocess.run(
        # S: without what is installed on this machine.
        ["/usr/bin/python3", "-BPSs", "-c", f"import {module}; print({module}.__file__)"],
        env={"PYTHONPATH": str(tmp_path / "usr/lib/flocker")},
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.startswith(str(tmp_path)), done.stderr


def test_the_bill_of_materials_names_every_library_with_its_hash(
    package: Path, tmp_path: Path
) -> None:
    subprocess.run(["dpkg-deb", "--extract", str(package), str(tmp_path)], check=True)
    bill = json.loads((tmp_path / "usr/lib/flocker/flocker.cdx.json").read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == (
        "CycloneDX",
        deb.version(),
    )
    listed = {part["bom-ref"]: part for part in bill["components"]}
    assert set(listed) == {wheel.name for wheel in deb.WHEELS.glob("*.whl")}
    names = {re.sub(r"[-_.]+", "-", part["name"]).lower() for part in listed.values()}
    assert names == set(deb.library_names())
    lock = (ROOT / "requirements.lock").read_text()
    for part in listed.values():
        assert f"--hash=sha256:{part['hashes'][0]['content']}" in lock
        assert part["licenses"]


def test_the_package_is_signed_with_the_key_that_was_named(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    maker = "packager@example.com"
    made = ["--batch", "--passphrase", "", "--quick-generate-key", maker, "ed25519", "sign", "1d"]
    subprocess.run(["gpg", *made], check=True, capture_output=True)
    signature = deb.sign(maker)
    try:
        verify = ["gpg", "--batch", "--verify", str(signature)]
        subprocess.run([*verify, str(package)], check=True, capture_output=True)
        other = tmp_path / "other.deb"
        other.write_bytes(package.read_bytes() + b" ")
        assert subprocess.run([*verify, str(other)], check=False, capture_output=True).returncode
        with pytest.raises(StepFailed):
            deb.sign("nobody@example.com")
        assert not signature.exists()
    finally:
        signature.unlink(missing_ok=True)
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=True)
