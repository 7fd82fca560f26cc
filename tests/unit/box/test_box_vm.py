"""Which box is built, what a box says of itself, and what is said when there is none to build."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from box import __main__ as command
from box.vm import build, recipe

LISTED = """\
1,,ui,info,volume-plugins-demo/node (libvirt%!(VAGRANT_COMMA) 0)
1,,box-name,volume-plugins-demo/node
1,,box-provider,libvirt
1,,box-version,0
1,,box-info,provider,libvirt
1,,box-info,inputs,abc
1,,box-name,other/node
1,,box-provider,virtualbox
1,,box-version,0
1,,box-info,inputs,def
"""


def a_box(path: Path, provider: str = "libvirt", inputs: str = "abc") -> build.Box:
    return build.Box(path, provider, inputs, file_system="12")


@pytest.mark.parametrize("provider", ["libvirt", "virtualbox"])
def test_each_provider_of_virtual_machines_gets_its_own(provider: str) -> None:
    assert build.machine_of(provider).provider == provider


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        ("hyperv", "boxes are made for libvirt and virtualbox, not for 'hyperv'"),
        ("", "boxes are made for libvirt and virtualbox, not for ''"),
        (
            "docker",
            "boxes are made for libvirt and virtualbox, not for 'docker'; "
            "a docker node needs none: make up PROVIDER=docker",
        ),
    ],
)
def test_another_provider_is_refused_in_one_line(
    provider: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["box", "vm", "--provider", provider])
    assert command.main() == 1
    assert capsys.readouterr().err == f"{said}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["images"],
            "not installed: mmdebstrap, docker; type: apt-get install mmdebstrap docker.io",
        ),
        (["story"], "not installed: mmdebstrap; type: apt-get install mmdebstrap"),
        (
            ["vm", "--provider", "libvirt"],
            "not installed: mmdebstrap, qemu-img; type: apt-get install mmdebstrap qemu-utils",
        ),
        (
            ["vm", "--provider", "libvirt", "--add"],
            "not installed: mmdebstrap, qemu-img, vagrant; "
            "type: apt-get install mmdebstrap qemu-utils vagrant",
        ),
    ],
)
def test_missing_programs_are_named_with_their_packages(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["box", *arguments])
    assert command.main() == 1
    assert capsys.readouterr().err == f"{said}\n"


def test_a_box_is_added_when_one_of_its_inputs_is_listed_by_its_name(tmp_path: Path) -> None:
    assert build.is_added(a_box(tmp_path), LISTED)
    assert not build.is_added(a_box(tmp_path, inputs="older"), LISTED)
    assert not build.is_added(a_box(tmp_path, provider="virtualbox"), LISTED)
    assert not build.is_added(a_box(tmp_path, provider="virtualbox", inputs="def"), LISTED)
    assert not build.is_added(a_box(tmp_path), "1,,ui,warn,There are no installed boxes!\n")


@pytest.fixture
def boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(build, "BOXES", tmp_path)
    monkeypatch.setattr(build, "ROOT", tmp_path)
    return tmp_path


def test_the_newest_box_of_the_same_inputs_is_not_built_again(
    boxes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build.inputs, "hash_of", lambda *_: "now")
    monkeypatch.setattr(build.lock, "BUILD", boxes)
    disk = boxes / "box.img"
    disk.write_bytes(b"disk")
    for name, provider, inputs in (
        ("vagrant1.box", "libvirt", "then"),
        ("vagrant2.box", "virtualbox", "now"),
        ("vagrant3.box", "libvirt", "now"),
    ):
        info = {"provider": provider, "inputs": inputs, "file_system": "12"}
        build.write_box(boxes / name, info, [disk])
    (boxes / "vagrant4.box").write_bytes(b"no tar file")
    (boxes / "vagrant5.box").write_bytes((boxes / "vagrant3.box").read_bytes()[:600])
    built = build.build(build.machine_of("libvirt"))
    assert built == build.Box(boxes / "vagrant3.box", "libvirt", "now", "12")
    assert len(list(boxes.glob("*.box"))) == 5


def test_a_new_box_takes_the_place_of_the_same_providers_older_ones(
    boxes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build.lock, "BUILD", boxes)
    new = a_box(boxes / "vagrant9.box")
    monkeypatch.setattr(build, "_build", lambda *_: new)
    for name, provider in (("vagrant1.box", "libvirt"), ("vagrant2.box", "virtualbox")):
        info = {"provider": provider, "inputs": "then", "file_system": "12"}
        build.write_box(boxes / name, info, [])
    (boxes / "vagrant3.box").write_bytes(b"somebody else's")
    assert build.build(build.machine_of("libvirt")) == new
    assert sorted(path.name for path in boxes.glob("*.box")) == ["vagrant2.box", "vagrant3.box"]


def test_whoever_built_a_box_is_told_how_to_add_it(boxes: Path) -> None:
    (boxes / "box").mkdir()
    path = boxes / "box" / "vagrant1.box"
    path.write_bytes(bytes(2_000_000))
    assert build.description(a_box(path)).splitlines() == [
        "box/vagrant1.box",
        "  for          libvirt",
        "  size         2 MB",
        f"  sha256       {hashlib.sha256(bytes(2_000_000)).hexdigest()}",
        "  file system  12",
        "vagrant box add --name volume-plugins-demo/node box/vagrant1.box",
    ]


@pytest.mark.parametrize(
    ("provider", "names", "metadata"),
    [
        (
            "libvirt",
            ["metadata.json", "box.img"],
            {"provider": "libvirt", "format": "qcow2", "virtual_size": 20},
        ),
        (
            "virtualbox",
            ["metadata.json", "Vagrantfile", "box.ovf", "box.mf", "box-disk001.vmdk"],
            {"provider": "virtualbox"},
        ),
    ],
)
def test_a_box_holds_what_its_provider_reads(
    provider: str, names: list[str], metadata: dict[str, object], tmp_path: Path
) -> None:
    machine = build.machine_of(provider)
    disk = tmp_path / machine.disk_file
    disk.write_bytes(b"disk")
    info = {"provider": provider, "inputs": "abc", "file_system": "12"}
    build.write_box(tmp_path / "box", info, build.described(machine, disk))
    with tarfile.open(tmp_path / "box") as tar:
        content = {member.name: file.read() for member in tar if (file := tar.extractfile(member))}
    assert list(content) == ["info.json", *names]
    assert json.loads(content["info.json"]) == info
    assert json.loads(content["metadata.json"]) == metadata
    assert content[machine.disk_file] == b"disk"
    if provider == "virtualbox":
        digest = hashlib.sha256(content["box.ovf"]).hexdigest()
        assert f"SHA256(box.ovf)= {digest}\n" in content["box.mf"].decode()


def test_both_boxes_boot_the_same_recipe_but_for_the_kernel() -> None:
    first, second = (set(machine.system.packages) for machine in recipe.MACHINES)
    assert first ^ second == {"linux-image-cloud-amd64", "linux-image-amd64"}
