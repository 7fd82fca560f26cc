"""A driver on this machine, with an engine for its trials only."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from acceptance.base.waiting import NeverCame, eventually_true
from judge.drivers.plugin_socket import NoAnswer, PluginSocket
from judge.drivers.profile import Here, Profile, filled_in
from judge.drivers.trial import NotTried
from judge.machine.engine import OwnEngine, own_engine, unmount_below
from judge.machine.mounts import PLUGINS
from judge.machine.ports import free_port
from judge.machine.programs import Program

READY_SECONDS = 90


@dataclass(frozen=True)
class AtHand:
    """A driver that runs here.

    Attributes:
        plugin: its socket; None for the driver inside the engine.
        program: the driver's own program; None if it ran before.
        words: the words that may stand in braces in options, with their values.
    """

    profile: Profile
    engine: OwnEngine
    plugin: PluginSocket | None
    program: Program | None
    words: dict[str, str]

    def restart_driver(self) -> None:
        """Start the driver again after its death, and wait until it answers.

        Raises:
            NotTried: the judge did not start it.
        """
        program = self.startable()
        program.start()
        assert self.plugin is not None
        _wait_for(self.plugin, program)

    def startable(self) -> Program:
        """The driver's program.

        Raises:
            NotTried: the judge did not start it.
        """
        if self.program is None:
            raise NotTried("the profile does not say how to start the driver (here.driver)")
        return self.program


@contextmanager
def at_hand(profile: Profile, here: Here) -> Iterator[AtHand]:
    """An engine and the running driver.

    Raises:
        NotTried: a program is missing, or the driver does not answer.
    """
    missing = [program for program in here.programs if shutil.which(program) is None]
    if missing:
        packages = " ".join(here.programs[program] for program in missing)
        raise NotTried(f"{', '.join(missing)} not installed here: apt-get install {packages}")
    with ExitStack() as stack:
        # Its path must be short: it holds sockets.
        folder = Path(tempfile.mkdtemp(prefix="driver-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(unmount_below, folder)
        engine = stack.enter_context(own_engine())
        words = {"folder": str(folder), "engine": str(engine.socket), "port": str(free_port())}
        plugin, program = None, None
        if here.socket is not None:
            words["socket"] = here.socket.format_map(words)
            path = _seen_from_here(Path(words["socket"]))
            plugin = PluginSocket(path, profile.budgets.answer)
            program = _started(here, words, stack)
            _wait_for(plugin, program)
        yield AtHand(profile, engine, plugin, program, words)


def _seen_from_here(path: Path) -> Path:
    """Where a socket is for us, who have a folder of plugins of our own."""
    if path.is_relative_to(PLUGINS):
        return Path(f"/proc/{os.getppid()}/root") / path.relative_to("/")
    return path


def _started(here: Here, words: dict[str, str], stack: ExitStack) -> Program | None:
    """Start the services and the driver; None if the driver runs already."""
    folder = Path(words["folder"])
    for number, command in enumerate(here.services):
        service = Program(filled_in(command, words), folder / f"service-{number}.log")
        service.start()
        stack.callback(service.stop)
    if not here.driver:
        return None
    driver = Program(filled_in(here.driver, words), folder / "driver.log")
    driver.start()
    stack.callback(driver.stop)
    return driver


def _wait_for(plugin: PluginSocket, program: Program | None) -> None:
    def answers() -> bool:
        if program is not None and not program.is_running():
            raise NotTried(f"the driver ended: {_end_of(program.log)}")
        return plugin.activate().status == 200

    try:
        eventually_true(
            answers,
            bool,
            what=f"an answer at {plugin.path}",
            within=READY_SECONDS,
            not_yet=(NoAnswer, OSError),
        )
    except NeverCame as error:
        raise NotTried(f"the driver does not answer: {error}") from error


def _end_of(log: Path) -> str:
    return " ".join(log.read_text(errors="replace").split()[-40:])
