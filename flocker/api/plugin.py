"""The engine's side of the daemon: the calls of Docker's volume plugin protocol.

Translates only: JSON in, one call of the driver, JSON out. plugin_call.py has what is the same for
all calls: reading one, and answering or refusing it.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from flocker.api.operator_route import OperatorRoute
from flocker.api.plugin_call import GET, Answer, Call, NoArguments, Observe, fail, refusal, refuse
from flocker.base.errors import FlockerError
from flocker.base.printable import printable_parts
from flocker.volumes.descriptions import Description
from flocker.volumes.driver import Driver


class CreateBody(BaseModel):
    """Opts is null when no option was given."""

    Name: str
    Opts: dict[str, str] | None = None


class NameBody(BaseModel):
    """A call about one volume."""

    Name: str


class MountBody(BaseModel):
    """ID is the engine's for one use of the volume; older engines send none."""

    Name: str
    ID: str = Field(default="")


def serve_engine(driver: Driver, observe: Observe, node: str = "") -> FastAPI:
    """The application behind the plugin socket.

    Args:
        node: this one.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    for call in EngineCalls(driver).all():
        app.add_api_route(f"/{call.name}", call.endpoint(node, observe), methods=["POST"])
    # Operators' routes are added to the same socket.
    app.state.node = node
    app.router.route_class = OperatorRoute
    app.add_exception_handler(FlockerError, refuse)
    app.add_exception_handler(Exception, fail)
    return app


def refuse_engine(why: str) -> FastAPI:
    """The application behind the plugin socket of a daemon that cannot start."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    async def endpoint(request: Request) -> JSONResponse:
        return refusal(request, f"flocker cannot start on this node: {why}")

    app.add_api_route("/{call:path}", endpoint, methods=["POST"])
    return app


class EngineCalls:
    """The calls that the engine makes, each answered by one of the driver's."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def all(self) -> list[Call[Any]]:
        """The calls of the protocol, with their names there."""
        return [
            Call("Plugin.Activate", NoArguments, self._activate),
            Call("VolumeDriver.Create", CreateBody, self._create, is_change=True),
            Call("VolumeDriver.Remove", NameBody, self._remove, is_change=True),
            # An engine that gave up waiting never asks for the unmount (docs/decisions/0001).
            Call("VolumeDriver.Mount", MountBody, self._mount, undo=self._unmount, is_change=True),
            # A use that has ended has ended, also when the engine did not wait to hear of it.
            Call(
                "VolumeDriver.Unmount",
                MountBody,
                self._unmount,
                is_for_nobody=True,
                is_change=True,
            ),
            Call("VolumeDriver.Path", NameBody, self._path),
            Call(GET, NameBody, self._get),
            Call("VolumeDriver.List", NoArguments, self._list),
            Call("VolumeDriver.Capabilities", NoArguments, self._capabilities),
        ]

    def _activate(self, _: NoArguments) -> Answer:
        self._driver.engine_started()
        return {"Implements": ["VolumeDriver"]}

    def _create(self, asked: CreateBody) -> Answer:
        self._driver.create(asked.Name, asked.Opts or {})
        return {"Err": ""}

    def _remove(self, asked: NameBody) -> Answer:
        self._driver.remove(asked.Name)
        return {"Err": ""}

    def _mount(self, asked: MountBody) -> Answer:
        return {"Mountpoint": str(self._driver.mount(asked.Name, asked.ID)), "Err": ""}

    def _unmount(self, asked: MountBody) -> Answer:
        self._driver.unmount(asked.Name, asked.ID)
        return {"Err": ""}

    def _path(self, asked: NameBody) -> Answer:
        return {"Mountpoint": _volume(self._driver.describe(asked.Name))["Mountpoint"], "Err": ""}

    def _get(self, asked: NameBody) -> Answer:
        described = self._driver.describe(asked.Name)
        status = self._driver.status(described.volume)
        return {"Volume": {**_volume(described), "Status": printable_parts(status)}, "Err": ""}

    def _list(self, _: NoArguments) -> Answer:
        return {"Volumes": [_volume(each) for each in self._driver.describe_all()], "Err": ""}

    def _capabilities(self, _: NoArguments) -> Answer:
        return {"Capabilities": {"Scope": "global"}}


def _volume(described: Description) -> Answer:
    return {
        "Name": described.volume.name,
        "Mountpoint": str(described.mountpoint or ""),
        "CreatedAt": described.volume.created_at,
    }
