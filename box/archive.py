"""Docker archives (what `docker load` reads), written without an engine.

Source: Docker Image Specification v1.2, "Combined Image JSON + Filesystem Changeset Format".
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from host.inputs import files_below

INPUTS_LABEL = "volume-plugins-demo.inputs"

_CHUNK_BYTES = 1 << 20


def write_archive(
    target: IO[bytes],
    *,
    tag: str,
    architecture: str,
    config: dict[str, Any],
    inputs: str,
    layers: Sequence[Path],
) -> None:
    """Write one image to `target`; its description comes first, so that a reader may stop early.

    Args:
        config: the image's `config` object; a label with `inputs` is added.
        layers: tar files, lowest first.
    """
    digests = [_sha256(layer) for layer in layers]
    labelled = {**config, "Labels": {INPUTS_LABEL: inputs}}
    image = _image(architecture, labelled, digests)
    image_id = hashlib.sha256(image).hexdigest()
    names = [f"{digest}/layer.tar" for digest in digests]
    manifest = [{"Config": f"{image_id}.json", "RepoTags": [tag], "Layers": names}]
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, "manifest.json", json.dumps(manifest).encode())
        _add(tar, f"{image_id}.json", image)
        for name, layer in zip(names, layers, strict=True):
            member = tarfile.TarInfo(name)
            member.size = layer.stat().st_size
            with layer.open("rb") as content:
                tar.addfile(member, content)


def inputs_of(archive: Path) -> str | None:
    """The inputs label of an archive that `write_archive` made; None if it is no such archive."""
    try:
        with tarfile.open(archive) as tar:
            _read(tar)  # manifest.json
            image = json.loads(_read(tar))
        label = image["config"]["Labels"][INPUTS_LABEL]
    except (OSError, tarfile.TarError, ValueError, KeyError, IndexError):
        return None
    return str(label)


def write_layer(target: Path, source: Path, below: str) -> None:
    """Write the input files of `source` as a layer that has them in the directory `below`."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in files_below(source):
            member = tarfile.TarInfo(f"{below}/{path.relative_to(source)}")
            member.size = path.stat().st_size
            member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            with path.open("rb") as content:
                tar.addfile(member, content)


def _image(architecture: str, config: dict[str, Any], digests: Sequence[str]) -> bytes:
    """The description of an image with these layers, lowest first."""
    return json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "created": datetime.now(UTC).isoformat(),
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        }
    ).encode()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _read(tar: tarfile.TarFile) -> bytes:
    member = tar.next()
    content = tar.extractfile(member) if member else None
    if content is None:
        raise ValueError("ends early")
    return content.read()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
