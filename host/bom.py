"""`python -m host.bom VERSION SECONDS WHEEL...`: the bill of materials of the driver's package.

CycloneDX 1.6 as JSON. Its tools find by it whether an advisory about a library concerns a package.
The same wheels give the same text, so that the package stays the same as well.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL


def bill(version: str, made: datetime, wheels: list[Path]) -> str:
    """List what is in the package of that version.

    Args:
        made: of the changelog, as everything in the package.
        wheels: the libraries as they were downloaded; one with compiled code is there once for
            each version of Python.
    """
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, " ".join([version, *map(_sha256, wheels)])))
    package = Component(
        name="flocker", version=version, type=ComponentType.APPLICATION, bom_ref="flocker"
    )
    bom.metadata.component = package
    bom.metadata.timestamp = made
    libraries = [_library(wheel) for wheel in sorted(wheels)]
    bom.components.update(libraries)
    bom.register_dependency(package, libraries)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _library(wheel: Path) -> Component:
    metadata = _metadata(wheel)
    licence = metadata["License-Expression"] or metadata["License"] or _classified(metadata)
    return Component(
        type=ComponentType.LIBRARY,
        name=metadata["Name"],
        version=metadata["Version"],
        bom_ref=wheel.name,
        purl=PackageURL(
            "pypi", None, metadata["Name"].lower(), metadata["Version"], {"file_name": wheel.name}
        ),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=_sha256(wheel))],
        licenses=[LicenseFactory().make_from_string(licence)],
    )


def _classified(metadata: Message) -> str:
    """The licence of a library that names it only as one of its kinds."""
    kinds = metadata.get_all("Classifier", [])
    return next(kind for kind in kinds if kind.startswith("License ::")).rpartition(":: ")[2]


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    version, seconds, *names = sys.argv[1:]
    made = datetime.fromtimestamp(int(seconds), UTC)
    sys.stdout.write(bill(version, made, [Path(name) for name in names]))
