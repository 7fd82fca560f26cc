"""Builds the images that are missing or older than their inputs.

build/box/layers/<name>-<inputs>.tar   the file system that mmdebstrap made
build/box/images/<name>.tar            docker archives of the story's images
the host's engine                      the node's image
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from box import apt, archive, inputs
from box.recipe import EXCLUDED_PATHS, IMAGES, INCLUDED_PATHS, NODE, STORY, SUITE, Image
from host import progress

ROOT = Path(__file__).resolve().parent.parent
RECIPE = "box"
CUSTOMISE = ROOT / RECIPE / "customise"
BUILD = ROOT / "build" / "box"
LAYERS = BUILD / "layers"
ARCHIVES = BUILD / "images"
LOGS = ROOT / "build" / "log"

# mmdebstrap of the node keeps one core busy for a minute, all the others together do for less.
_AT_A_TIME = 2


def build_all() -> None:
    """Make every image be there and match its inputs. Safe to run several times at once.

    Raises:
        progress.StepFailed: a build failed; its log is quoted.
        apt.NoMirror: packages cannot be had.
        subprocess.CalledProcessError: apt, dpkg or the engine refuses; its reason is in `stderr`.
    """
    LAYERS.mkdir(parents=True, exist_ok=True)
    ARCHIVES.mkdir(parents=True, exist_ok=True)
    with _only_one_at_a_time():
        stale = [image for image in IMAGES if _inputs_now(image) != _inputs_built(image)]
        if not stale:
            print("images are up to date", file=sys.stderr)
            return
        _build_layers([image for image in stale if not _system_layer(image).exists()])
        for image in stale:
            if image is NODE:
                _load_node_image()
            else:
                _write_story_image(image)


def _inputs_now(image: Image) -> str:
    return inputs.hash_of(ROOT, RECIPE, *([image.app] if image.app else []))


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
    return LAYERS / f"{image.name}-{inputs.hash_of(ROOT, RECIPE)[:16]}.tar"


def _archive(image: Image) -> Path:
    return ARCHIVES / f"{image.name}.tar"


def _build_layers(images: list[Image]) -> None:
    if not images:
        return
    host_apt = apt.from_host(SUITE)
    names = ", ".join(image.name for image in images)
    with (
        progress.step(f"Build images from Debian packages: {names}"),
        ThreadPoolExecutor(_AT_A_TIME) as pool,
    ):
        list(pool.map(lambda image: _build_layer(image, host_apt), images))


def _build_layer(image: Image, host_apt: apt.Apt) -> None:
    """Run mmdebstrap; the layer appears only when it is whole."""
    log = LOGS / f"box-{image.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    layer = _system_layer(image)
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch, log.open("wb") as output:
        partial = Path(scratch) / "layer.tar"
        sources = Path(scratch) / "sources.list"
        sources.write_text("\n".join(host_apt.sources) + "\n")
        options = Path(scratch) / "apt.conf"
        options.write_text("\n".join(host_apt.options) + "\n")
        hook = "extract" if image.variant == "extract" else "customize"  # the last one there is
        command = [
            "mmdebstrap",
            "--mode=root",
            f"--variant={image.variant}",
            f"--include={','.join(image.packages)}",
            f"--aptopt={options}",
            "--dpkgopt=force-unsafe-io",  # a build that dies is built again
            *(f"--dpkgopt=path-exclude={path}" for path in EXCLUDED_PATHS + image.excluded),
            *(f"--dpkgopt=path-include={path}" for path in INCLUDED_PATHS),
            *(
                f'--{hook}-hook="{CUSTOMISE / name}" "$1"'
                for name in (image.name, "leave-no-trace")
            ),
            "--skip=output/dev",  # a container gets its own /dev
            SUITE,
            str(partial),
            str(sources),
        ]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": scratch}, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise progress.StepFailed(
                f"mmdebstrap of {image.name} ended with status {done.returncode}; the end of "
                f"{log}:\n{progress.last_lines(log)}"
            )
        for older in LAYERS.glob(f"{image.name}-*.tar"):
            older.unlink()
        partial.rename(layer)


def _write_story_image(image: Image) -> None:
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        layers = [_system_layer(image)]
        if image.app:
            app_layer = Path(scratch) / "app.tar"
            archive.write_layer(app_layer, ROOT / image.app, below="srv")
            layers.append(app_layer)
        partial = Path(scratch) / "image.tar"
        with partial.open("wb") as target:
            archive.write_archive(
                target, tag=image.tag, architecture=_architecture(), config=image.config,
                inputs=_inputs_now(image), layers=layers,
            )  # fmt: skip
        partial.rename(_archive(image))


def _load_node_image() -> None:
    """Stream the node's image into the host's engine, and remove those it replaces."""
    log = LOGS / "box-load.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with progress.step("Load the node's image into the engine"), log.open("wb") as output:
        load = subprocess.Popen(
            ["docker", "load"], stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT
        )
        assert load.stdin is not None
        try:
            with load.stdin as target:
                archive.write_archive(
                    target, tag=NODE.tag, architecture=_architecture(), config=NODE.config,
                    inputs=_inputs_now(NODE), layers=[_system_layer(NODE)],
                )  # fmt: skip
        except BrokenPipeError:
            pass  # the engine gave up; its status and log say why
        if load.wait() != 0:
            raise progress.StepFailed(
                f"docker load of the node's image failed; the end of {log}:\n"
                + progress.last_lines(log)
            )
    # Those that nodes still run from are kept until the next time.
    subprocess.run(
        ["docker", "image", "prune", "--force", "--filter", f"label={archive.INPUTS_LABEL}"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip


def _architecture() -> str:
    return subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()


@contextmanager
def _only_one_at_a_time() -> Iterator[None]:
    """Vagrant starts its nodes in parallel, and each asks for the images first."""
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
