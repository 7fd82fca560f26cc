"""One node's Docker engine, read and tidied through its API with the operator's certificate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker
from docker.errors import NotFound
from docker.tls import TLSConfig

PORT = 2376
_SERVICE = "com.docker.compose.service"
ANSWER_SECONDS = 150  # removing a volume that is on the move waits for the driver, which has 120


class Engine:
    """The engine of the node at `address`.

    Args:
        certificates: folder with the operator's ca.pem, cert.pem and key.pem.
    """

    def __init__(self, address: str, certificates: Path) -> None:
        tls = TLSConfig(
            client_cert=(str(certificates / "cert.pem"), str(certificates / "key.pem")),
            ca_cert=str(certificates / "ca.pem"),
            verify=True,
        )
        self._client = docker.DockerClient(
            base_url=f"tcp://{address}:{PORT}", tls=tls, timeout=ANSWER_SECONDS
        )

    def version(self) -> str:
        """The engine's version, like "26.1.5"."""
        return str(self._client.version()["Version"])

    def is_at_least(self, version: str) -> bool:
        """Whether the engine is of that version, like "1.8", or a newer one."""
        return _numbers(self.version()) >= _numbers(version)

    def is_experimental(self) -> bool:
        """Whether experimental features are switched on."""
        return bool(self._client.info()["ExperimentalBuild"])

    def running_services(self) -> set[str]:
        """Compose services that run here, by the names in docker-compose.yml."""
        labels = (container.labels for container in self._client.containers.list())
        return {str(found[_SERVICE]) for found in labels if _SERVICE in found}

    def volume(self, name: str) -> Mapping[str, Any] | None:
        """What `docker volume inspect` says, or None where there is no such volume."""
        try:
            attributes: Mapping[str, Any] = self._client.volumes.get(name).attrs
        except NotFound:
            return None
        return attributes

    def volume_owners(self, driver: str) -> dict[str, str]:
        """Volume -> owner, as the driver tells the engine, of that driver's volumes."""
        volumes = self._client.volumes.list(filters={"driver": driver})
        known = {volume.name: self.volume(volume.name) for volume in volumes}
        return {name: str(found["Status"]["owner"]) for name, found in known.items() if found}

    def container_logs(self) -> dict[str, str]:
        """Container name -> the end of what it printed, of all containers here."""
        return {
            str(container.name): container.logs(tail=200, timestamps=True).decode(errors="replace")
            for container in self._client.containers.list(all=True)
        }

    def remove_containers(self) -> None:
        """Remove every container, running or not, and the networks they leave unused."""
        for container in self._client.containers.list(all=True, ignore_removed=True):
            try:
                container.remove(force=True, v=True)
            except NotFound:  # it was started with --rm and is gone already
                continue
        self._client.networks.prune()

    def remove_volumes(self, driver: str) -> None:
        """Remove every volume of that driver."""
        for volume in self._client.volumes.list(filters={"driver": driver}):
            volume.remove()

    def close(self) -> None:
        self._client.close()


def _numbers(version: str) -> tuple[int, ...]:
    """ "26.1.5+dfsg1" -> (26, 1, 5)"""
    return tuple(int(number) for number in re.findall(r"\d+", version.split("+")[0]))
