"""Level 1, the socket; longer than 300 lines because each behaviour of the level has its trial.

The plugin's socket is asked without an engine. Each trial makes volumes of its own names, and
leaves neither uses nor volumes.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from judge.drivers.names import fresh_name
from judge.drivers.plugin_socket import Answer, NoAnswer, PluginSocket
from judge.drivers.profile import Profile
from judge.drivers.trial import Broken, NotTried, Trial, require

CONTENT_BYTES = 1 << 20
LONGEST_NAME = 255  # letters; source: NAME_MAX of Linux, where a volume is a folder
WAYS_OUT = ("", ".", "..", "../../outside", "a/../../outside", "/outside", "a\0b")
ODD_NAMES = ("two words", "zähler", "-rf", "n" * LONGEST_NAME)
MALFORMED = (
    b'{"Name": "cut o', b'["not an object"]', b'{"Opts": {}}', b'{"Name": 7}', b'{"Name": null}',
    b"\xff\xfe\x00", b'{"Name": {"Name": "nested"}}', b"[" * 10_000,
)  # fmt: skip
FUZZED = 200  # requests
FUZZ_SEED = 1


@dataclass
class SocketStage:
    """The socket of the driver, and how volumes are created there."""

    plugin: PluginSocket
    profile: Profile
    words: dict[str, str]  # what may stand in braces in an option, but for {volume}
    uses: list[tuple[str, str]] = field(default_factory=list)

    def create(self, name: str, options: dict[str, str] | None = None) -> Answer:
        """Create a volume with the profile's options and these."""
        assert self.profile.here is not None
        wanted = {**self.profile.here.options, **(options or {})}
        filled = {
            key: value.format_map({**self.words, "volume": name}) for key, value in wanted.items()
        }
        return self.plugin.ask("Create", Name=name, Opts=filled)

    def mount(self, name: str, use: str) -> Path:
        """Mount a volume for a use, and return where it is.

        Raises:
            Broken: the driver refused, or named no folder.
        """
        answer = self.plugin.ask("Mount", Name=name, ID=use)
        require(answer.error == "", f"Mount of {name} was refused: {answer.error}")
        self.uses.append((name, use))
        folder = Path(str(answer.fields.get("Mountpoint", "")))
        require(folder.is_absolute() and folder.is_dir(), f"Mount named no folder: {answer.text}")
        return folder

    def unmount(self, name: str, use: str) -> None:
        """End a use.

        Raises:
            Broken: the driver refused.
        """
        answer = self.plugin.ask("Unmount", Name=name, ID=use)
        require(answer.error == "", f"Unmount of {name} was refused: {answer.error}")
        self.uses.remove((name, use))

    def listed(self) -> set[str]:
        """The names in the driver's list."""
        answer = self.plugin.ask("List")
        require(answer.error == "", f"List was refused: {answer.error}")
        return {
            str(each.get("Name")) for each in answer.list_in("Volumes") if isinstance(each, dict)
        }

    @contextmanager
    def volume(self, *, name: str = "") -> Iterator[str]:
        """A volume that exists meanwhile; its name.

        Raises:
            Broken: the driver does not create it.
        """
        name = name or fresh_name()
        answer = self.create(name)
        require(answer.error == "", f"Create of {name} was refused: {answer.error}")
        try:
            yield name
        finally:
            self._tidy(name)

    def _tidy(self, name: str) -> None:
        with suppress(NoAnswer):  # the trial has told
            for volume, use in [each for each in self.uses if each[0] == name]:
                self.plugin.ask("Unmount", Name=volume, ID=use)
                self.uses.remove((volume, use))
            self.plugin.ask("Remove", Name=name)


def introduces_itself(stage: SocketStage) -> None:
    """Row 1."""
    answer = stage.plugin.activate()
    implements = answer.list_in("Implements")
    require("VolumeDriver" in implements, f"Plugin.Activate answered {answer.text!r}")
    scope = stage.plugin.ask("Capabilities").object_in("Capabilities").get("Scope")
    require(
        scope is None or str(scope).lower() in ("local", "global"),
        f"the scope {scope!r} is neither local nor global",
    )


def refuses_unknown_calls(stage: SocketStage) -> None:
    """Row 1."""
    unknown = stage.plugin.ask("Defragment", Name="judged")
    require(unknown.status != 200, f"a call that does not exist was answered: {unknown.text!r}")
    wrong = stage.plugin.send("DELETE", "/VolumeDriver.List", b"")
    require(wrong.status != 200, f"a wrong method was answered: {wrong.text!r}")
    introduces_itself(stage)


def creates_once(stage: SocketStage) -> None:
    """Row 2."""
    with stage.volume() as name:
        note = stage.mount(name, "writer") / "note"
        note.write_text("kept")
        stage.unmount(name, "writer")
        again = stage.create(name)
        require(again.error == "", f"the same Create again was refused: {again.error}")
        note = stage.mount(name, "reader") / "note"
        require(note.exists() and note.read_text() == "kept", "a second Create emptied the volume")


def refuses_other_options(stage: SocketStage) -> None:
    """Row 3."""
    if not stage.profile.other_options:
        raise NotTried("the profile has no other_options")
    with stage.volume() as name:
        again = stage.create(name, stage.profile.other_options)
        require(again.error != "", f"a second Create with {stage.profile.other_options} succeeded")


def refuses_bad_options(stage: SocketStage) -> None:
    """Row 4."""
    if not stage.profile.bad_options:
        raise NotTried("the profile has no bad_options")
    name = fresh_name()
    answer = stage.create(name, stage.profile.bad_options)
    is_listed = name in stage.listed()
    stage.plugin.ask("Remove", Name=name)
    require(answer.error != "", f"Create with {stage.profile.bad_options} succeeded")
    require(not is_listed, f"Create with {stage.profile.bad_options} failed, and left the volume")


def refuses_malformed_requests(stage: SocketStage) -> None:
    """Row 4."""
    before = stage.listed()
    for body in MALFORMED:
        answer = stage.plugin.send("POST", "/VolumeDriver.Create", body)
        require(answer.error != "", f"Create with the body {body[:40]!r} succeeded")
    require(stage.listed() == before, "a malformed Create made a volume")


def answers_fuzzed_requests(stage: SocketStage) -> None:
    """Row 4."""
    chance = random.Random(FUZZ_SEED)  # noqa: S311
    before = stage.listed()
    for _ in range(FUZZED):
        call = chance.choice(("Mount", "Unmount", "Get", "Path", "Remove"))
        body = bytearray(json.dumps({"Name": "judged-never", "ID": "use"}).encode())
        for _ in range(chance.randint(1, 6)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        answer = stage.plugin.send("POST", f"/VolumeDriver.{call}", bytes(body))
        require(answer.status < 600, f"{call} answered the status {answer.status}")
    require(stage.listed() == before, "damaged requests changed the list of volumes")


def keeps_names_inside(stage: SocketStage) -> None:
    """Row 5."""
    for name in WAYS_OUT:
        answer = stage.create(name)
        if answer.error == "":
            stage.plugin.ask("Remove", Name=name)
            raise Broken(f"Create of a volume named {name!r} succeeded")


def keeps_names_apart(stage: SocketStage) -> None:
    """Row 5."""
    for name in ODD_NAMES:
        if stage.create(name).error == "":
            found = stage.plugin.ask("Get", Name=name).object_in("Volume")
            stage.plugin.ask("Remove", Name=name)
            require(found.get("Name") == name, f"{name!r} was created, and is {found} now")
    with stage.volume(name="Judged") as upper, stage.volume(name="judged") as lower:
        (stage.mount(upper, "one") / "note").write_text("upper")
        is_shared = (stage.mount(lower, "two") / "note").exists()
        require(not is_shared, "'Judged' and 'judged' are the same volume")


def lists_what_there_is(stage: SocketStage) -> None:
    """Row 7."""
    with stage.volume() as first, stage.volume() as second:
        missing = {first, second} - stage.listed()
        require(not missing, f"List leaves out {', '.join(sorted(missing))}")
        for name in (first, second):
            answer = stage.plugin.ask("Get", Name=name)
            found = answer.object_in("Volume")
            require(found.get("Name") == name, f"Get of {name} answered {answer.text!r}")
    left = {first, second} & stage.listed()
    require(not left, f"List still has {', '.join(sorted(left))} after Remove")
    gone = stage.plugin.ask("Get", Name=first)
    require(gone.error != "", f"Get of a removed volume answered {gone.text!r}")


def says_a_status(stage: SocketStage) -> None:
    """Row 8."""
    with stage.volume() as name:
        status = stage.plugin.ask("Get", Name=name).object_in("Volume").get("Status")
        require(isinstance(status, dict) and bool(status), f"the Status is {status!r}")


def keeps_content(stage: SocketStage) -> None:
    """Row 9."""
    content = os.urandom(CONTENT_BYTES)
    with stage.volume() as name:
        (stage.mount(name, "writer") / "content").write_bytes(content)
        stage.unmount(name, "writer")
        file = stage.mount(name, "reader") / "content"
        require(file.exists(), "a file is gone after Unmount and Mount")
        same = _digest(file.read_bytes()) == _digest(content)
        require(same, "a file has another content after Unmount and Mount")


def counts_users(stage: SocketStage) -> None:
    """Row 10."""
    with stage.volume() as name:
        folder = stage.mount(name, "one")
        (folder / "note").write_text("kept")
        stage.mount(name, "two")
        stage.unmount(name, "one")
        _require_use(stage, name, folder, "the first of two users left")
        stage.unmount(name, "two")
        removed = stage.plugin.ask("Remove", Name=name)
        require(removed.error == "", f"Remove after the last Unmount: {removed.error}")


def counts_one_user_twice(stage: SocketStage) -> None:
    """Row 11: `docker cp` mounts with the id of the running container."""
    with stage.volume() as name:
        folder = stage.mount(name, "container")
        (folder / "note").write_text("kept")
        stage.mount(name, "container")
        stage.unmount(name, "container")
        _require_use(stage, name, folder, "the second mount of one id ended")
        stage.unmount(name, "container")


def leaves_nothing_after_a_failure(stage: SocketStage) -> None:
    """Row 12."""
    name, before = fresh_name(), _mounts()
    answer = stage.plugin.ask("Mount", Name=name, ID="use")
    if answer.error == "":
        stage.plugin.ask("Unmount", Name=name, ID="use")
        stage.plugin.ask("Remove", Name=name)
        raise Broken(f"Mount of a missing volume answered {answer.text!r}")
    new = _mounts() - before
    require(not new, f"a failed Mount left {', '.join(sorted(new))}")
    require(name not in stage.listed(), "a failed Mount created the volume")


def keeps_a_volume_in_use(stage: SocketStage) -> None:
    """Row 13."""
    with stage.volume() as name:
        note = stage.mount(name, "user") / "note"
        note.write_text("kept")
        removed = stage.plugin.ask("Remove", Name=name)
        require(removed.error != "", "Remove of a mounted volume succeeded")
        require(note.exists(), "Remove of a mounted volume was refused, and its files are gone")


def removes_what_is_gone(stage: SocketStage) -> None:
    """Row 13."""
    removed = stage.plugin.ask("Remove", Name=fresh_name())
    require(removed.error == "", f"Remove of a missing volume failed: {removed.error}")


def waits_for_nobody(stage: SocketStage) -> None:
    """Row 26: silent and cut connections hold no other caller up."""
    with stage.plugin.raw(), stage.plugin.raw() as slow:
        slow.sendall(b"POST /VolumeDriver.List HTTP/1.1\r\nHost: d\r\nContent-Length: 100\r\n\r\n{")
        with stage.plugin.raw() as cut:
            cut.sendall(b"POST /VolumeDriver.List HTTP/1.1\r\nHost: d\r\nContent-Len")
        stage.listed()
    stage.listed()


SOCKET_TRIALS: tuple[Trial[SocketStage], ...] = (
    Trial(1, introduces_itself),
    Trial(1, refuses_unknown_calls),
    Trial(2, creates_once),
    Trial(3, refuses_other_options),
    Trial(4, refuses_bad_options),
    Trial(4, refuses_malformed_requests),
    Trial(4, answers_fuzzed_requests),
    Trial(5, keeps_names_inside),
    Trial(5, keeps_names_apart),
    Trial(7, lists_what_there_is),
    Trial(8, says_a_status),
    Trial(9, keeps_content),
    Trial(10, counts_users),
    Trial(11, counts_one_user_twice),
    Trial(12, leaves_nothing_after_a_failure),
    Trial(13, keeps_a_volume_in_use),
    Trial(13, removes_what_is_gone),
    Trial(26, waits_for_nobody),
)


def _require_use(stage: SocketStage, name: str, folder: Path, after: str) -> None:
    """The volume is still there for its other user."""
    note = folder / "note"
    require(note.exists() and note.read_text() == "kept", f"after {after} the files are gone")
    removed = stage.plugin.ask("Remove", Name=name)
    require(removed.error != "", f"after {after} the volume could be removed")


def _mounts() -> set[str]:
    """Where something is mounted."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return {line.split()[4] for line in lines}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
