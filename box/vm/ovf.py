"""The description of a virtual machine that VirtualBox imports.

Source: DMTF DSP0243, Open Virtualization Format 1.1; the numbers of its items are those of CIM's
ResourceAllocationSettingData (ResourceType) and OperatingSystem (OSType).
"""

from __future__ import annotations

import hashlib
import re
import struct
from pathlib import Path

from box.vm.recipe import CPUS, DISK_BYTES, MEMORY_MB

# In the order of the elements that the schema prescribes: by name.
_ENVELOPE = """\
<?xml version="1.0" encoding="UTF-8"?>
<Envelope ovf:version="1.0" xml:lang="en-US"
    xmlns="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
    xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
  <References>
    <File ovf:id="file1" ovf:href="{disk}" ovf:size="{file_bytes}"/>
  </References>
  <DiskSection>
    <Info>The disk of the machine</Info>
    <Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="{disk_bytes}"
        ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <NetworkSection>
    <Info>Vagrant's own network; it adds the nodes' network to the machine</Info>
    <Network ovf:name="NAT">
      <Description>Addresses by DHCP</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="{name}">
    <Info>A node of the volume plugins demo</Info>
    <OperatingSystemSection ovf:id="96">
      <Info>The guest's operating system</Info>
      <Description>Debian_64</Description>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>What the machine is made of</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>virtualbox-2.2</vssd:VirtualSystemType>
      </System>
      <Item>
        <rasd:Caption>{cpus} virtual CPUs</rasd:Caption>
        <rasd:ElementName>{cpus} virtual CPUs</rasd:ElementName>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>{cpus}</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:Caption>{memory_mb} MB of memory</rasd:Caption>
        <rasd:ElementName>{memory_mb} MB of memory</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>{memory_mb}</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:Address>0</rasd:Address>
        <rasd:Caption>sataController0</rasd:Caption>
        <rasd:ElementName>sataController0</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceSubType>AHCI</rasd:ResourceSubType>
        <rasd:ResourceType>20</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:Caption>disk1</rasd:Caption>
        <rasd:ElementName>disk1</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource>
        <rasd:InstanceID>4</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>
        <rasd:Caption>Ethernet adapter on 'NAT'</rasd:Caption>
        <rasd:Connection>NAT</rasd:Connection>
        <rasd:ElementName>Ethernet adapter on 'NAT'</rasd:ElementName>
        <rasd:InstanceID>5</rasd:InstanceID>
        <rasd:ResourceSubType>E1000</rasd:ResourceSubType>
        <rasd:ResourceType>10</rasd:ResourceType>
      </Item>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""

# Without it Vagrant asks VirtualBox about programs in the guest that this one does without.
VAGRANTFILE = """\
Vagrant.configure("2") do |config|
  config.vm.provider "virtualbox" do |virtualbox|
    virtualbox.check_guest_additions = false
    virtualbox.functional_vboxsf = false
  end
end
"""

# The head of a VMDK: its magic number, and at 28 where its descriptor is and how long, in sectors.
# Source: VMware, "Virtual Disk Format 5.0", hosted sparse extents.
_HEAD = struct.Struct("<4s24xQQ")
_MAGIC = b"KDMV"
_SECTOR = 512
_CONTENT_ID = re.compile(rb"(?m)^CID=[0-9a-f]{1,8}$")
_NO_PARENT = b"ffffffff"


def envelope(disk: Path, name: str) -> str:
    """The OVF of a machine with this VMDK as its only disk; the file has to be there."""
    return _ENVELOPE.format(
        name=name,
        disk=disk.name,
        file_bytes=disk.stat().st_size,
        disk_bytes=DISK_BYTES,
        cpus=CPUS,
        memory_mb=MEMORY_MB,
    )


def manifest(*files: Path) -> str:
    """The OVF manifest: the digests of the files of a machine, its OVF first."""
    return "".join(f"SHA256({file.name})= {_sha256(file)}\n" for file in files)


def fix_content_id(disk: Path, content_hash: str) -> None:
    """Replace the random number that qemu-img gives a VMDK by one of its content.

    The random one is written without leading zeros, and a shorter descriptor over a longer one. So
    all from the end of the text on is filled with zeros: what comes after stays where it is.

    Raises:
        ValueError: it is no VMDK, or has no descriptor with one number.
    """
    number = content_hash[:8].encode()
    assert number != _NO_PARENT
    with disk.open("r+b") as content:
        head = content.read(_HEAD.size).ljust(_HEAD.size, b"\0")
        magic, offset, sectors = _HEAD.unpack(head)
        if magic != _MAGIC:
            raise ValueError(f"{disk} is not a VMDK")
        content.seek(offset * _SECTOR)
        descriptor, _, _ = content.read(sectors * _SECTOR).partition(b"\0")
        fixed, found = _CONTENT_ID.subn(b"CID=" + number, descriptor)
        if found != 1:
            raise ValueError(f"{disk} has {found} content ids, one was expected")
        content.seek(offset * _SECTOR)
        content.write(fixed.ljust(sectors * _SECTOR, b"\0"))


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
