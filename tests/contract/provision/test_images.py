"""The demo's images on a server: loaded, unless they are there or the tag is somebody else's."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from box import archive
from host import ROOT

pytestmark = pytest.mark.contract

# The function of node.sh with an engine that has one image, and notes what is loaded.
LOAD = """set -euo pipefail
eval "$(sed -n '/^load_images() {$/,/^}$/p; /^is_of_others() {/,/^}$/p' provision/node.sh)"
docker() {
    case $* in
        "image inspect --format "*" redis:latest") [ -n "$tagged" ] && echo "$tagged" ;;
        "image inspect sha256:"*) [ "$3" = "$has_id" ] ;;
        load*) echo "loaded ${*: -1}" ;;
        *) return 1 ;;
    esac
}
load_images
"""
OLDER = '{"volume-plugins-demo.inputs": "of an older build"}'
PULLED = ("null", "{}", '{"maintainer": "somebody"}')


def load(folder: Path, *, labels: str, is_there: bool = False) -> str:
    """The output of the function: `labels` are those of the image redis:latest; empty for none."""
    images = folder / "build/box/images"
    images.mkdir(parents=True)
    (layer := folder / "layer.tar").touch()
    content = io.BytesIO()
    archive.write_archive(
        content, tag="redis:latest", architecture="amd64", config={}, inputs="x", layers=[layer]
    )
    (images / "redis.tar").write_bytes(content.getvalue())
    manifest = subprocess.run(
        ["tar", "-xOf", images / "redis.tar", "manifest.json"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    image_id = manifest.partition('"Config": "')[2].partition(".json")[0]
    settings = {
        "source": str(folder),
        "name": "node1",
        "has_id": f"sha256:{image_id}" if is_there else "",
        "tagged": labels,
        "PATH": "/usr/bin:/bin",
    }
    return subprocess.run(
        ["bash", "-c", LOAD], cwd=ROOT, env=settings, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize("labels", ["", OLDER], ids=["none", "older"])
def test_an_image_is_loaded_where_there_is_none_or_an_older_one(
    tmp_path: Path, labels: str
) -> None:
    assert load(tmp_path, labels=labels) == f"loaded {tmp_path}/build/box/images/redis.tar\n"


def test_an_image_that_is_there_is_not_loaded_again(tmp_path: Path) -> None:
    assert load(tmp_path, labels=OLDER, is_there=True) == ""


@pytest.mark.parametrize("labels", PULLED)
def test_an_image_that_somebody_pulled_stays(tmp_path: Path, labels: str) -> None:
    assert (
        load(tmp_path, labels=labels) == "node1: redis:latest is not the demo's image, and stays\n"
    )
