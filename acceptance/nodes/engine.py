"""One node's Docker engine, read and tidied through its API by way of ssh: it has no port."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import docker
import requests
from docker.errors import DockerException, NotFound

from acceptance.nodes.shell import Shell
from acceptance.nodes.ssh_adapter import SshAdapter
from acceptance.nodes.watchful import CONNECT_SECONDS

_URL = "http://engine:80"  # the adapter knows the way; the SDK wants an address
_SERVICE = "com.docker.compose.service"
ANSWER_SECONDS = 150  # removing a volume that is on the move waits for the driver, which has 120
LOCAL = "local"  # the driver of volumes that an engine keeps itself
LOOK_SECONDS = 20  # an engine that takes longer is taken to be stuck


class EngineSilent(Exception):
    """An engine does not answer; the message says at which address, and why."""


@dataclass(frozen=True, order=True)
class Thing:
    """Something an engine has. `kind`: container, volume or network.

    `identity` tells it from a later one of that name. A volume of the driver is the same thing on
    all nodes.
    """

    kind: str
    name: str
    identity: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.identity}"


class Engine:
    """The engine of the node that `shell` is of; its user may use the engine.

    Raises:
        EngineSilent: it does not answer.
    """

    def __init__(self, shell: Shell) -> None:
        self._of = shell.host
        adapter = SshAdapter(shell)
        with self._answering():
            version = _newest_version(adapter)
            self._client = _client(adapter, version, ANSWER_SECONDS)
            self._looking = _client(adapter, version, LOOK_SECONDS)

    def version(self) -> str:
        """The engine's version, like "26.1.5"."""
        return str(self._client.version()["Version"])

    def is_at_least(self, version: str) -> bool:
        """True if the engine is of that version, like "1.8", or newer."""
        return _numbers(self.version()) >= _numbers(version)

    def is_experimental(self) -> bool:
        """True if experimental features are switched on."""
        return bool(self._client.info()["ExperimentalBuild"])

    def is_answering(self) -> bool:
        """True if the engine takes questions.

        Raises:
            requests.ConnectionError: it does not.
        """
        return bool(self._client.ping())

    def keeps_containers(self) -> bool:
        """True if containers continue while the engine is away (`live-restore`)."""
        return bool(self._client.info()["LiveRestoreEnabled"])

    def running_services(self) -> set[str]:
        """Compose services that run here, by the names in docker-compose.yml."""
        labels = (container.labels for container in self._client.containers.list())
        return {str(found[_SERVICE]) for found in labels if _SERVICE in found}

    def container_of(self, service: str) -> str:
        """The name of a Compose service's container; each version of Compose has its own way.

        Raises:
            LookupError: there is none, or more than one.
        """
        names = [
            str(container.name)
            for container in self._client.containers.list(all=True)
            if container.labels.get(_SERVICE) == service
        ]
        if len(names) != 1:
            raise LookupError(f"containers of the service {service}: {names}")
        return names[0]

    def volume(self, name: str) -> Mapping[str, Any] | None:
        """Return the answer of `docker volume inspect`, or None if there is no such volume."""
        try:
            attributes: Mapping[str, Any] = self._client.volumes.get(name).attrs
        except NotFound:
            return None
        return attributes

    def volumes(self, driver: str) -> set[str]:
        """The names of that driver's volumes."""
        volumes = self._client.volumes.list(filters={"driver": driver})
        return {str(volume.name) for volume in volumes}

    def volume_status(self, name: str) -> dict[str, Any]:
        """Return the driver's own fields of a volume; empty if the volume is gone."""
        found = self.volume(name)
        return {} if found is None else dict(found["Status"])

    def volume_owners(self, names: Iterable[str]) -> dict[str, str]:
        """Volume -> owner, as the driver tells the engine, of those that there are."""
        known = {name: self.volume_status(name) for name in names}
        return {name: str(status["owner"]) for name, status in known.items() if status}

    def is_running(self, container: str) -> bool:
        """True if a container runs; a container that does not exist does not run."""
        try:
            return bool(self._client.containers.get(container).status == "running")
        except NotFound:
            return False

    def stopped_at(self, container: str) -> datetime:
        """When a container's process last ended."""
        state = self._client.containers.get(container).attrs["State"]
        return datetime.fromisoformat(state["FinishedAt"])

    def printed(self, container: str) -> list[str]:
        """The lines a container has printed."""
        return self._client.containers.get(container).logs().decode().splitlines()

    def container_logs(self) -> dict[str, str]:
        """Container name -> the end of what it printed, of all containers here."""
        return {
            str(container.name): container.logs(tail=200, timestamps=True).decode(errors="replace")
            for container in self._client.containers.list(all=True)
        }

    def things(self) -> frozenset[Thing]:
        """The containers, volumes and networks there are; not the networks every engine has.

        Raises:
            EngineSilent: it does not answer.
        """
        api = self._looking.api
        with self._answering():
            containers = api.containers(all=True)
            volumes = api.volumes()["Volumes"] or []
            networks = api.networks(filters={"type": "custom"})
        found = {
            Thing("container", (each["Names"] or ["/?"])[0].lstrip("/"), each["Id"])
            for each in containers
        }
        found |= {
            # When a local volume was made its engine does not note: it shows its folder's time.
            Thing(
                "volume",
                each["Name"],
                LOCAL if each["Driver"] == LOCAL else each.get("CreatedAt", ""),
            )
            for each in volumes
        }
        found |= {Thing("network", each["Name"], each["Id"]) for each in networks}
        return frozenset(found)

    def remove_containers(self, ids: Iterable[str]) -> None:
        """Remove containers, running or not; those that are gone already are left out."""
        for container_id in ids:
            with suppress(NotFound):
                self._client.api.remove_container(container_id, force=True, v=True)

    def remove_networks(self, ids: Iterable[str]) -> None:
        """Remove networks that no container uses; those that are gone already are left out."""
        for network_id in ids:
            with suppress(NotFound):
                self._client.api.remove_network(network_id)

    def remove_volumes(self, names: Iterable[str]) -> None:
        """Remove volumes; those that are gone already are left out."""
        for name in names:
            with suppress(NotFound):
                self._client.api.remove_volume(name)

    def close(self) -> None:
        self._client.close()
        self._looking.close()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (requests.RequestException, DockerException) as error:
            raise EngineSilent(f"no engine answers at {self._of}: {error}") from error


def _newest_version(adapter: SshAdapter) -> str:
    """The newest version of its API that the engine knows."""
    with requests.Session() as session:
        session.mount(_URL, adapter)
        answer = session.get(f"{_URL}/version", timeout=CONNECT_SECONDS)
        answer.raise_for_status()
        return str(answer.json()["ApiVersion"])


def _client(adapter: SshAdapter, version: str, answer_seconds: float) -> docker.DockerClient:
    """A client that waits for an answer, but not for an engine that is not there."""
    client = docker.DockerClient(base_url=_URL, version=version)
    client.api.mount(_URL, adapter)
    client.api.timeout = (CONNECT_SECONDS, answer_seconds)  # type: ignore[assignment]  # requests'
    return client


def _numbers(version: str) -> tuple[int, ...]:
    """Read a version: (26, 1, 5) of "26.1.5+dfsg1"."""
    return tuple(int(number) for number in re.findall(r"\d+", version.split("+")[0]))
