"""Builds the images that are missing or older than their inputs.

build/box/layers/<name>-<inputs>.tar   the file system that mmdebstrap made
build/box/images/<name>.tar            docker archives of the story's images
the host's engine                      the nodes' image, with Ceph or without
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from box import archive, layers, lock
from box.recipe import STORY, Image
from host import BUILD, LOGS, ROOT, inputs, progress

RECIPE = "box"
NOT_IN_IMAGES = "box/vm"
LAYERS = BUILD / "box" / "layers"
ARCHIVES = BUILD / "box" / "images"


def build(images: Sequence[Image]) -> None:
    """Make these images be there and match their inputs. Safe to run several times at once.

    Raises:
        progress.StepFailed: a build failed; its log is quoted.
        apt.NoMirror: packages cannot be had.
        subprocess.CalledProcessError: apt, dpkg or the engine refuses; its reason is in `stderr`.
    """
    LAYERS.mkdir(parents=True, exist_ok=True)
    ARCHIVES.mkdir(parents=True, exist_ok=True)
    with lock.only_one():
        stale = [image for image in images if _inputs_now(image) != _inputs_built(image)]
        if not stale:
            print("images are up to date", file=sys.stderr)
            return
        _build_layers([image for image in stale if not _system_layer(image).exists()])
        for image in stale:
            if image in STORY:
                _write_story_image(image)
            else:
                _load_node_image(image)


def _inputs_now(image: Image) -> str:
    return inputs.hash_of(ROOT, RECIPE, *([image.app] if image.app else []), without=NOT_IN_IMAGES)


def _inputs_built(image: Image) -> str | None:
    if image in STORY:
        return archive.inputs_of(_archive(image))
    label = f'{{{{ index .Config.Labels "{archive.INPUTS_LABEL}" }}}}'
    inspected = subprocess.run(
        ["docker", "image", "inspect", "--format", label, image.tag],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    return inspected.stdout.strip() if inspected.returncode == 0 else None


def _system_layer(image: Image) -> Path:
    made_from = inputs.hash_of(ROOT, RECIPE, without=NOT_IN_IMAGES)
    return LAYERS / f"{image.name}-{made_from[:16]}.tar"


def _archive(image: Image) -> Path:
    return ARCHIVES / f"{image.name}.tar"


def _build_layers(images: list[Image]) -> None:
    if not images:
        return
    names = ", ".join(image.name for image in images)
    made = [(image, _system_layer(image)) for image in images]
    layers.build(f"Build images from Debian packages: {names}", made)
    for image, layer in made:
        for older in LAYERS.glob(f"{image.name}-*.tar"):
            if older != layer:
                older.unlink()


def _write_story_image(image: Image) -> None:
    with tempfile.TemporaryDirectory(dir=ARCHIVES) as scratch:
        stacked = [_system_layer(image)]
        if image.app:
            app_layer = Path(scratch) / "app.tar"
            archive.write_layer(app_layer, ROOT / image.app, below="srv")
            stacked.append(app_layer)
        partial = Path(scratch) / "image.tar"
        with partial.open("wb") as target:
            archive.write_archive(
                target, tag=image.tag, architecture=_architecture(), config=image.config,
                inputs=_inputs_now(image), layers=stacked,
            )  # fmt: skip
        partial.rename(_archive(image))


def _load_node_image(image: Image) -> None:
    """Stream a node's image into the host's engine, and remove those it replaces."""
    log = LOGS / "box-load.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with progress.step("Load the node's image into the engine"), log.open("wb") as output:
        if _stream_node_image(image, output) != 0:
            raise progress.StepFailed(
                f"docker load of the node's image failed; the end of {log}:\n"
                + progress.last_lines(log)
            )
    # Those that nodes still run from are kept until the next time.
    subprocess.run(
        ["docker", "image", "prune", "--force", "--filter", f"label={archive.INPUTS_LABEL}"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip


def _stream_node_image(image: Image, output: IO[bytes]) -> int:
    """Write the image into `docker load`, whose exit status this is; it prints to `output`."""
    load = subprocess.Popen(
        ["docker", "load"], stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT
    )
    assert load.stdin is not None
    try:
        with load.stdin as target:
            archive.write_archive(
                target, tag=image.tag, architecture=_architecture(), config=image.config,
                inputs=_inputs_now(image), layers=[_system_layer(image)],
            )  # fmt: skip
    except BrokenPipeError:
        pass  # the engine gave up; its status and log say why
    return load.wait()


def _architecture() -> str:
    return subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()
