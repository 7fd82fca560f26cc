"""Docker archives, read back the way an engine does."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from box import archive


@pytest.fixture
def written(tmp_path: Path) -> Path:
    (tmp_path / "app" / "page").mkdir(parents=True)
    (tmp_path / "app" / "run").write_text("#!/bin/sh")
    (tmp_path / "app" / "run").chmod(0o700)
    (tmp_path / "app" / "page" / "index.html").write_text("<p>")
    archive.write_layer(tmp_path / "layer.tar", tmp_path / "app", below="srv")
    with (tmp_path / "image.tar").open("wb") as target:
        archive.write_archive(
            target,
            tag="app:latest",
            architecture="amd64",
            config={"Cmd": ["run"], "Env": ["A=1"]},
            inputs="abc",
            layers=[tmp_path / "layer.tar"],
        )
    return tmp_path / "image.tar"


def test_names_in_an_archive_are_the_digests_of_what_they_name(written: Path) -> None:
    with tarfile.open(written) as tar:
        content = {member.name: file.read() for member in tar if (file := tar.extractfile(member))}
    assert next(iter(content)) == "manifest.json"
    manifest = json.loads(content["manifest.json"])[0]
    assert manifest["RepoTags"] == ["app:latest"]
    image = content[manifest["Config"]]
    assert manifest["Config"] == f"{hashlib.sha256(image).hexdigest()}.json"
    diff_ids = [
        f"sha256:{hashlib.sha256(content[name]).hexdigest()}" for name in manifest["Layers"]
    ]
    assert json.loads(image)["rootfs"]["diff_ids"] == diff_ids
    assert json.loads(image)["config"]["Cmd"] == ["run"]


def test_a_layer_belongs_to_root_and_keeps_only_whether_a_file_is_a_program(written: Path) -> None:
    with tarfile.open(written.with_name("layer.tar")) as tar:
        members = {member.name: (member.mode, member.uid) for member in tar}
    assert members == {"srv/page/index.html": (0o644, 0), "srv/run": (0o755, 0)}


def test_an_archive_tells_the_inputs_it_was_made_from(written: Path) -> None:
    assert archive.inputs_of(written) == "abc"


@pytest.mark.parametrize("broken", [b"", b"not a tar file", None])
def test_what_is_no_archive_of_ours_has_no_inputs(tmp_path: Path, broken: bytes | None) -> None:
    path = tmp_path / "image.tar"
    if broken is not None:
        path.write_bytes(broken)
    assert archive.inputs_of(path) is None


def test_an_archive_cut_off_within_its_description_has_no_inputs(written: Path) -> None:
    written.write_bytes(written.read_bytes()[:1600])
    assert archive.inputs_of(written) is None
