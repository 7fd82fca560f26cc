"""Each verb's command does its work, tried by a shell on a folder in a volume's place."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from acceptance.words import questions
from acceptance.words import volume_commands as commands


def run(command: str, folder: Path) -> str:
    """Run the program that `docker run` would, with `folder` for /data."""
    words = shlex.split(command)
    program = [word.replace("/data", str(folder)) for word in words[words.index("busybox") + 1 :]]
    return subprocess.run(program, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("text", ["hello", "taken over", "it's $HOME; 5 > 3"])
def test_a_volume_says_what_was_written(tmp_path: Path, text: str) -> None:
    run(commands.write("ledger", "before"), tmp_path)
    run(commands.write("ledger", text), tmp_path)
    assert run(commands.read("ledger"), tmp_path) == f"{text}\n"


def test_a_volume_says_what_was_added_last(tmp_path: Path) -> None:
    run(commands.write("ledger", "one"), tmp_path)
    run(commands.add("ledger", "two"), tmp_path)
    assert run(commands.read("ledger"), tmp_path) == "one\ntwo\n"


def test_every_file_that_is_filled_in_is_another(tmp_path: Path) -> None:
    run(commands.fill("films", 1), tmp_path)
    run(commands.fill("films", 2), tmp_path)
    sizes = sorted(file.stat().st_size for file in tmp_path.iterdir())
    assert sizes == [1_000_000, 2_000_000]
    assert len(run(commands.digests("films"), tmp_path).splitlines()) == 2


def test_a_file_that_differs_has_another_digest(tmp_path: Path) -> None:
    run(commands.fill("films", 1), tmp_path)
    printed = run(commands.digests("films"), tmp_path)
    [file] = tmp_path.iterdir()
    file.write_bytes(b"other" + file.read_bytes()[5:])
    assert run(commands.digests("films"), tmp_path) != printed


def test_options_are_given_by_name_and_a_label_is_dockers() -> None:
    options = {"size": "64MiB", "label": "team=sales"}
    expected = "docker volume create -d flocker -o size=64MiB --label team=sales small"
    assert commands.create("small", options) == expected
    assert commands.create("small", {}) == "docker volume create -d flocker small"


def test_a_question_is_a_command() -> None:
    assert questions.command('what the volume "ticks" is') == "docker volume inspect ticks"
    with pytest.raises(LookupError):
        questions.command("what time it is")
