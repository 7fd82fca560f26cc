"""The description that VirtualBox imports, held against what the standard asks of it."""

import hashlib
import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from box.vm import ovf
from box.vm.recipe import DISK_BYTES

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
VSSD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData}"

# The elements that may be in each element, in this order, and the attributes it must have.
# Source: DMTF DSP8023 1.1.1, as far as the description uses it.
GRAMMAR: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Envelope": (("References", "DiskSection", "NetworkSection", "VirtualSystem"), ()),
    "References": (("File",), ()),
    "File": ((), ("id", "href")),
    "DiskSection": (("Info", "Disk"), ()),
    "Disk": ((), ("diskId", "capacity")),
    "NetworkSection": (("Info", "Network"), ()),
    "Network": (("Description",), ("name",)),
    "VirtualSystem": (
        ("Info", "Name", "OperatingSystemSection", "VirtualHardwareSection"),
        ("id",),
    ),
    "OperatingSystemSection": (("Info", "Description"), ("id",)),
    "VirtualHardwareSection": (("Info", "System", "Item"), ()),
    "Info": ((), ()),
    "Name": ((), ()),
    "Description": ((), ()),
}
ITEM_NEEDS = {"ElementName", "InstanceID", "ResourceType"}
SYSTEM_NEEDS = {"ElementName", "InstanceID"}

CPU, MEMORY, ETHERNET, DISK, SATA = "3", "4", "10", "17", "20"


def vmdk(content_id: bytes) -> bytes:
    """One with a descriptor of two sectors and a sector of data behind it."""
    descriptor = b"# Disk DescriptorFile\n%sparentCID=ffffffff\n" % content_id
    head = struct.pack("<4s24xQQ", b"KDMV", 1, 2)
    return head.ljust(512, b"\0") + descriptor.ljust(1024, b"\0") + b"CID=12\n".ljust(512, b"\0")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "box-disk001.vmdk"
    path.write_bytes(vmdk(b"CID=1a2b3c4d\n"))
    return path


@pytest.fixture
def envelope(disk: Path) -> ET.Element:
    return ET.fromstring(ovf.envelope(disk, "node"))  # noqa: S314  it was written here


def items(envelope: ET.Element, resource_type: str) -> list[dict[str, str]]:
    found = [
        {value.tag.removeprefix(RASD): value.text or "" for value in item}
        for item in envelope.iter(f"{OVF}Item")
    ]
    return [item for item in found if item["ResourceType"] == resource_type]


def test_elements_come_in_the_order_of_the_schema_with_what_it_requires(
    envelope: ET.Element,
) -> None:
    for element in envelope.iter():
        if not element.tag.startswith(OVF) or element.tag in (f"{OVF}Item", f"{OVF}System"):
            continue
        children, attributes = GRAMMAR[element.tag.removeprefix(OVF)]
        names = [child.tag.removeprefix(OVF) for child in element]
        assert set(names) <= set(children), element.tag
        assert names == sorted(names, key=children.index), element.tag
        assert {f"{OVF}{name}" for name in attributes} <= set(element.attrib), element.tag


@pytest.mark.parametrize(
    ("kind", "namespace", "needs"), [("Item", RASD, ITEM_NEEDS), ("System", VSSD, SYSTEM_NEEDS)]
)
def test_settings_come_by_name_each_once(
    envelope: ET.Element, kind: str, namespace: str, needs: set[str]
) -> None:
    for settings in envelope.iter(f"{OVF}{kind}"):
        assert all(value.tag.startswith(namespace) for value in settings)
        names = [value.tag.removeprefix(namespace) for value in settings]
        assert names == sorted(set(names))
        assert needs <= set(names)


def test_every_reference_names_something_that_is_there(envelope: ET.Element, disk: Path) -> None:
    (file,) = envelope.iter(f"{OVF}File")
    (listed,) = envelope.iter(f"{OVF}Disk")
    (drive,) = items(envelope, DISK)
    (controller,) = items(envelope, SATA)
    (network,) = envelope.iter(f"{OVF}Network")
    (adapter,) = items(envelope, ETHERNET)
    assert file.attrib[f"{OVF}href"] == disk.name
    assert file.attrib[f"{OVF}size"] == str(disk.stat().st_size)
    assert listed.attrib[f"{OVF}fileRef"] == file.attrib[f"{OVF}id"]
    assert listed.attrib[f"{OVF}capacity"] == str(DISK_BYTES)
    assert drive["HostResource"] == f"ovf:/disk/{listed.attrib[f'{OVF}diskId']}"
    assert drive["Parent"] == controller["InstanceID"]
    assert adapter["Connection"] == network.attrib[f"{OVF}name"]


def test_it_is_a_machine_that_the_box_has_drivers_for(envelope: ET.Element) -> None:
    (controller,) = items(envelope, SATA)
    (adapter,) = items(envelope, ETHERNET)
    assert controller["ResourceSubType"] == "AHCI"
    assert adapter["ResourceSubType"] == "E1000"
    assert len(items(envelope, CPU)) == len(items(envelope, MEMORY)) == 1
    ids = [value.text for value in envelope.iter(f"{RASD}InstanceID")]
    assert len(ids) == len(set(ids))


def test_the_manifest_tells_the_digest_of_each_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "b").write_bytes(b"")
    assert ovf.manifest(tmp_path / "a", tmp_path / "b") == (
        f"SHA256(a)= {hashlib.sha256(b'x').hexdigest()}\n"
        f"SHA256(b)= {hashlib.sha256(b'').hexdigest()}\n"
    )


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(vmdk(b"CID=1a2b3c4d\n"), id="of full length"),
        pytest.param(vmdk(b"CID=c4d\n"), id="shorter"),
        pytest.param(
            vmdk(b"CID=1a2b3c4\n").replace(b"ffffffff\n\0\0", b"ffffffff\n\0\n"),
            id="shorter, over a longer one",
        ),
    ],
)
def test_the_disks_random_number_is_replaced_by_one_of_its_content(
    written: bytes, tmp_path: Path
) -> None:
    disk = tmp_path / "box-disk001.vmdk"
    disk.write_bytes(written)
    ovf.fix_content_id(disk, "0123456789abcdef")
    assert disk.read_bytes() == vmdk(b"CID=01234567\n")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"QFI\xfb" + vmdk(b"CID=1a2b3c4d\n")[4:], "is not a VMDK"),
        (b"KDM", "is not a VMDK"),
        (vmdk(b""), "has 0 content ids, one was expected"),
        (vmdk(b"CID=1\nCID=2\n"), "has 2 content ids, one was expected"),
    ],
)
def test_what_is_no_vmdk_stays_as_it_is(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        ovf.fix_content_id(path, "0123456789abcdef")
    assert path.read_bytes() == content
