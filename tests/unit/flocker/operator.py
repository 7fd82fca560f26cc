"""The border of what an operator may ask, for tests of both of its sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from flocker.api.maintenance_api import add_maintenance_routes
from flocker.api.operator_api import Answer, add_operator_routes
from flocker.api.verification_api import add_verification_routes
from flocker.base.errors import BadRequest, FlockerError
from flocker.volumes.operations import Operations


class Operator:
    """Operations that note each call and answer what the test put in `answers`.

    An answer may be an error, which is raised, or a function, whose result is the answer.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answers: dict[str, Answer | Exception | Callable[[], Answer]] = {}

    def _called(self, *call: Any) -> Answer:
        self.calls.append(call)
        answer = self.answers[call[0]]
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer

    def status(self) -> Answer:
        return self._called("status")

    def move(self, volume: str, to: str | None) -> Answer:
        return self._called("move", volume, to)

    def cancel(self, volume: str) -> Answer:
        return self._called("cancel", volume)

    def promote(self, volume: str, here: bool) -> Answer:
        return self._called("promote", volume, here)

    def conflicts(self) -> Answer:
        return self._called("conflicts")

    def trash(self) -> Answer:
        return self._called("trash")

    def snapshot(self, volumes: list[str], label: str) -> Answer:
        return self._called("snapshot", volumes, label)

    def snapshots(self, volume: str | None) -> Answer:
        return self._called("snapshots", volume)

    def purge(self, reference: str | None) -> Answer:
        return self._called("purge", reference)

    def forget(self, name: str) -> Answer:
        return self._called("forget", name)

    def bring_back(self, reference: str, name: str | None) -> Answer:
        return self._called("import", reference, name)

    def prune(self, reference: str) -> Answer:
        return self._called("prune", reference)

    def restore(self, reference: str) -> Answer:
        return self._called("restore", reference)

    def clone(self, reference: str, name: str) -> Answer:
        return self._called("clone", reference, name)

    def undelete(self, name: str) -> Answer:
        return self._called("undelete", name)

    def verify(self, volume: str) -> Answer:
        return self._called("verify", volume)

    def resize(self, volume: str, size_bytes: int | None) -> Answer:
        return self._called("resize", volume, size_bytes)

    def history(self, volume: str | None) -> Answer:
        return self._called("history", volume)


def serve(operator: Operator) -> FastAPI:
    """The operator's routes, in an app that answers refusals as the daemon's does."""
    app = FastAPI()
    operations = Operations(operator, operator, operator, operator, operator)  # type: ignore[arg-type]
    add_operator_routes(app, operations)
    add_maintenance_routes(app, operator)  # type: ignore[arg-type]
    add_verification_routes(app, operator)  # type: ignore[arg-type]

    @app.exception_handler(FlockerError)
    def refuse(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"Err": str(error)}, 400 if isinstance(error, BadRequest) else 500)

    return app
