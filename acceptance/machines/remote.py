"""One server of an inventory: looked at, given files, and run on as root."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shlex import quote

from invoke.exceptions import UnexpectedExit
from paramiko import AuthenticationException, BadHostKeyException, SSHException

from acceptance.machines import facts, upload
from acceptance.machines.facts import Facts, NotRead
from acceptance.machines.inventory import Server, home
from acceptance.machines.protocol import NodesNotUp
from acceptance.nodes.access import Access
from acceptance.nodes.shell import Shell
from host import LOGS, ROOT
from host.progress import last_lines

GONE = (OSError, EOFError, SSHException)
"""Raised when a server goes away while something is done on it."""


class Remote:
    """The server that plays the node `name`.

    All but `read` raise NodesNotUp, with the server's name and the reason.
    """

    def __init__(self, name: str, server: Server) -> None:
        self.name = name
        self.server = server
        self.address = str(server.address)
        self.shell = Shell(
            self.address,
            server.user,
            server.port,
            server.keys,
            has_agent=server.key is None,
            # Keys of the cluster go to these servers, so they have to be who they were when their
            # owner logged in the last time.
            known_hosts=home() / ".ssh" / "known_hosts",
        )

    @property
    def access(self) -> Access:
        """The way to the node."""
        return Access(self.name, self.address, self.shell, self.server.login)

    def read(self) -> Facts:
        """Read what decides whether it can be a node.

        Raises:
            NotRead: it cannot be logged in to, or its user may not use sudo.
        """
        server = self.server
        try:
            self.shell.open()
            return facts.read(self.shell)
        except BadHostKeyException as error:
            raise NotRead(
                "shows another host key than ~/.ssh/known_hosts has; if it was set up anew, "
                f"type: ssh-keygen -R {server.address}; then: {server.login}"
            ) from error
        except AuthenticationException as error:
            raise NotRead(f"does not let {server.user} in; find out why: {server.login}") from error
        except SSHException as error:
            if "known_hosts" not in str(error):
                raise NotRead(f"speaks no ssh at port {server.port}: {error}") from error
            raise NotRead(
                "has a host key that ~/.ssh/known_hosts does not know; "
                f"log in once, and compare it: {server.login}"
            ) from error
        except (OSError, EOFError) as error:
            raise NotRead(
                f"does not answer at port {server.port} ({error}); is it up, "
                "and does a firewall keep this machine out?"
            ) from error

    def run_as_root(self, command: str) -> None:
        """Run a line of shell, its output to a log of this server's; an error has its end."""
        log = LOGS / f"server-{self.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as output:
            try:
                self.shell.run(
                    f"sudo -n sh -c {quote(command)}",
                    hide=True, in_stream=False, out_stream=output, err_stream=output,
                )  # fmt: skip
            except UnexpectedExit as error:
                output.flush()
                raise NodesNotUp(
                    f"{self.name}: `{command}` ended with status {error.result.exited}; "
                    f"the end of {log.relative_to(ROOT)}:\n{last_lines(log)}"
                ) from error
            except GONE as error:
                raise NodesNotUp(f"{self.name}: `{command}` was cut off: {error!r}") from error

    def mirror(self, files: Mapping[str, Path], folder: str) -> None:
        """Make a folder there hold these files and no others; see upload."""
        self._carry(lambda: upload.mirror(self.shell, files, folder))

    def place(self, files: Mapping[str, Path], folder: str) -> None:
        """Put files where only root can look; see upload."""
        self._carry(lambda: upload.place(self.shell, files, folder))

    def _carry(self, do: Callable[[], object]) -> None:
        try:
            do()
        except upload.UploadFailed as error:
            raise NodesNotUp(f"{self.name}: files could not be put on it: {error}") from error
        except UnexpectedExit as error:
            said = (error.result.stderr.strip().splitlines() or ["nothing"])[-1]
            raise NodesNotUp(
                f"{self.name}: files could not be put on it; it said: {said}"
            ) from error
        except GONE as error:
            raise NodesNotUp(f"{self.name}: files could not be put on it: {error!r}") from error


def on_all(do: Callable[[Remote], None], remotes: Iterable[Remote]) -> None:
    """Do something on several servers at once; say of all of them what went wrong.

    Raises:
        NodesNotUp: something did, on one or more.
    """
    with ThreadPoolExecutor() as threads:
        doing = [threads.submit(do, remote) for remote in remotes]
    errors = [error for each in doing if (error := each.exception()) is not None]
    for error in errors:
        if not isinstance(error, NodesNotUp):
            raise error
    if errors:
        raise NodesNotUp("\n".join(map(str, errors)))
