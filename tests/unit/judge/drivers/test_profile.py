"""Profiles: those in the repository can be used, and mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from judge.drivers.behaviours import Claim
from judge.drivers.profile import BadProfile, filled_in, read

ROOT = Path(__file__).parents[4]
PROFILES = sorted((ROOT / "features" / "drivers").glob("*.yml"))


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.name)
def test_every_profile_of_the_repository_can_be_used(path: Path) -> None:
    assert read(path).title


def test_the_repository_has_flocker_local_rclone_and_a_shared_driver() -> None:
    assert {"flocker", "local", "rclone"} < {path.stem for path in PROFILES}


def test_a_profile_says_how_to_reach_a_driver_and_what_it_claims(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(
        "driver: mine\ntitle: My driver\nclaims: [quota, multi_node]\n"
        "here: {socket: /run/docker/plugins/mine.sock}\n"
        "budgets: {mount: 3}\n"
    )
    profile = read(path)
    assert profile.claims == {Claim.QUOTA, Claim.MULTI_NODE}
    assert profile.here is not None
    assert profile.here.socket == "/run/docker/plugins/mine.sock"
    assert (profile.budgets.mount, profile.budgets.create) == (3, 10)


MISTAKES = {
    "driver: mine": "title: field required",
    "driver: Mine!\ntitle: x": "driver: string should match pattern",
    "driver: mine\ntitle: x\nclaim: [quota]": "claim: there is no such key",
    "driver: mine\ntitle: x\nclaims: [speed]": "claims.0: input should be 'multi_node'",
    "driver: mine\ntitle: x\nhere: {socket: '{home}/x'}": "here.socket: {home} means nothing here",
    "driver: mine\ntitle: x\nhere: {socket: '{'}": "here.socket: single '{' encountered",
    "driver: mine\ntitle: x\nhere: [socket]": "here: expected keys with values",
    "driver: mine\ntitle: x\nbudgets: {mount: 0}": "budgets.mount: input should be greater than 0",
    "driver: mine\ntitle: x\nhere: {}": "here.socket: every driver has one",
    "driver: local\ntitle: x\nhere: {socket: /x}": "here.socket: every driver has one",
    "- driver": "expected keys with values",
    "driver: [": "line 1: expected the node content",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_named_with_its_key(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(text)
    with pytest.raises(BadProfile) as raised:
        read(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert MISTAKES[text] in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadProfile, match="there is no such file"):
        read(tmp_path / "none.yml")


def test_words_in_braces_are_filled_in() -> None:
    assert filled_in(["--base", "{folder}/x"], {"folder": "/srv"}) == ["--base", "/srv/x"]
