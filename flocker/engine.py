"""What the driver asks of its node's Docker engine: who uses a volume."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from flocker.errors import EngineAway

ANSWER_SECONDS = 5


class Engine:
    """The engine behind a unix socket."""

    def __init__(self, socket: Path) -> None:
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(socket)),
            base_url="http://engine",
            timeout=ANSWER_SECONDS,
        )

    def containers_using(self, volume: str) -> list[str]:
        """Names of the running containers that use the volume of that name, sorted.

        Raises:
            EngineAway: the engine does not answer.
        """
        filters = json.dumps({"volume": [volume]})
        try:
            answer = self._client.get("/containers/json", params={"filters": filters})
            answer.raise_for_status()
            # A container that is just being removed has no name any more.
            names = [container["Names"][0] for container in answer.json() if container["Names"]]
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise EngineAway(f"the Docker engine does not answer: {error!r}") from error
        return sorted(name.lstrip("/") for name in names)
