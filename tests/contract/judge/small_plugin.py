"""A small volume plugin that is right, or wrong in one way.

`python -m tests.contract.judge.small_plugin SOCKET FOLDER [DEFECT]`
"""

from __future__ import annotations

import json
import re
import shutil
import socketserver
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}")
OPTIONS = {"colour": ("red", "green")}
HANG_SECONDS = 600
ONE_USER = "takes one user at a time"  # no defect where that is claimed

DEFECTS = {
    "empties a volume that is created again": {2},
    "takes other options for a volume that exists": {3},
    "takes any option": {4},
    "drops the connection when a request is malformed": {4},
    "joins names to its folder": {5},
    "folds letters": {5},
    "lists nothing": {7},
    "says no status": {8},
    "mounts somewhere else each time": {2, 9},
    "forgets all users with the first": {10, 11},
    "counts an id once": {11},
    "creates what it is asked to mount": {4, 12},
    "removes a volume in use": {10, 11, 13},
    "refuses to remove what is gone": {13},
    "refuses to mount twice for an id": {11},
    "keeps every user for ever": {10},
    "answers one connection after the other": {26},
    "answers calls that do not exist": {1},
    "never answers a mount": {2, 4, 5, 9, 10, 11, 12, 13},
    "reports errors in a field of its own": {1, 3, 4, 5, 7, 10, 11, 12, 13},
}
"""Each way to be wrong, with the behaviours that must fail at the socket."""

DEFECTS_IN_AN_ENGINE = {
    "empties a volume that is created again": set(),  # an engine does not ask twice
    "says no status": {8},
    "mounts somewhere else each time": {2, 9, 10, 11, 24},
    "forgets all users with the first": {10, 11},
    "counts an id once": {11},
    "refuses to mount twice for an id": {11},
    "keeps every user for ever": {10, 11, 12, 24},
    "removes a volume in use": {10, 11},
    "forgets everything when it ends": {24},
}
"""Each way to be wrong, with those of the behaviours 2, 8 to 12 and 24 that an engine shows."""


class Refused(Exception):
    """The plugin refuses a call."""


class SmallPlugin:
    """Volumes are folders; what it knows is in a file, so that it survives a restart."""

    def __init__(self, folder: Path, defect: str = "") -> None:
        self._volumes = folder / "so" / "deep" / "volumes"  # a name that leads out stays inside
        self._volumes.mkdir(parents=True, exist_ok=True)
        self._file = folder / "state.json"
        self._defect = defect
        self._lock = threading.RLock()
        self._known: dict[str, Any] = (
            json.loads(self._file.read_text())
            if self._file.exists() and defect != "forgets everything when it ends"
            else {}
        )

    def answer(self, address: str, body: bytes) -> dict[str, Any]:
        """The answer to a call.

        Raises:
            Refused: it is refused.
            LookupError: there is no such call.
        """
        if address == "/Plugin.Activate":
            # An engine that starts anew has forgotten its uses, and ends none of them.
            for known in self._known.values():
                known["uses"].clear()
            return {"Implements": ["VolumeDriver"]}
        call = address.removeprefix("/VolumeDriver.").lower()
        if call not in CALLS:
            if self._defect == "answers calls that do not exist":
                return {"Err": ""}
            raise LookupError(address)
        if call in ("list", "capabilities"):
            asked = {}
        else:
            asked = self._read(body)
            if self._defect == "never answers a mount" and call == "mount":
                time.sleep(HANG_SECONDS)  # the defect itself: the judge must not wait so long
        with self._lock:
            found: dict[str, Any] = getattr(self, f"_{call}")(asked)
            self._file.write_text(json.dumps(self._known))
        return {"Err": "", **found}

    def _read(self, body: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Refused(f"the request is no JSON: {error}") from error
        if not isinstance(asked, dict) or not isinstance(asked.get("Name"), str):
            raise Refused("the request has no Name")
        name = asked["Name"]
        if self._defect == "joins names to its folder" and name.startswith("../"):
            return asked
        if not NAME.fullmatch(name):
            raise Refused(f"{name!r} cannot be a name")
        if self._defect == "folds letters":
            asked["Name"] = name.lower()
        return asked

    def _create(self, asked: dict[str, Any]) -> dict[str, Any]:
        name, options = asked["Name"], asked.get("Opts") or {}
        for key, value in options.items():
            if value not in OPTIONS.get(key, ()) and self._defect != "takes any option":
                raise Refused(f"{key}={value} is no option")
        if name in self._known:
            is_strict = self._defect != "takes other options for a volume that exists"
            if is_strict and self._known[name]["options"] != options:
                raise Refused(f"{name} has other options")
            if self._defect == "empties a volume that is created again":
                shutil.rmtree(self._volumes / name)
                (self._volumes / name).mkdir()
            return {}
        (self._volumes / name).mkdir(exist_ok=True)
        self._known[name] = {"options": options, "uses": []}
        return {}

    def _get(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"Volume": self._shown(asked["Name"], self._existing(asked["Name"]))}

    def _list(self, _: dict[str, Any]) -> dict[str, Any]:
        if self._defect == "lists nothing":
            return {"Volumes": []}
        return {"Volumes": [self._shown(name, known) for name, known in self._known.items()]}

    def _path(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._existing(asked["Name"])
        return {"Mountpoint": str(self._volumes / asked["Name"])}

    def _mount(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["Name"]
        if self._defect == "creates what it is asked to mount" and name not in self._known:
            self._create({"Name": name})
        uses = self._existing(name)["uses"]
        if self._defect == "refuses to mount twice for an id" and asked["ID"] in uses:
            raise Refused(f"{name} is mounted by this id")
        if self._defect == ONE_USER and uses:
            raise Refused(f"{name} is in use")
        if self._defect != "counts an id once" or asked["ID"] not in uses:
            uses.append(asked["ID"])
        folder = self._volumes / name
        if self._defect == "mounts somewhere else each time":
            folder = self._volumes / f"{name}-{time.monotonic_ns()}"
            folder.mkdir()
        return {"Mountpoint": str(folder)}

    def _unmount(self, asked: dict[str, Any]) -> dict[str, Any]:
        uses = self._existing(asked["Name"])["uses"]
        if self._defect == "keeps every user for ever":
            return {}
        if self._defect == "forgets all users with the first":
            uses.clear()
        elif asked.get("ID") in uses:
            uses.remove(asked["ID"])
        return {}

    def _remove(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["Name"]
        if name not in self._known:
            if self._defect == "refuses to remove what is gone":
                raise Refused(f"there is no volume {name}")
            return {}
        if self._known[name]["uses"] and self._defect != "removes a volume in use":
            raise Refused(f"{name} is in use")
        del self._known[name]
        shutil.rmtree(self._volumes / name)
        return {}

    def _capabilities(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"Capabilities": {"Scope": "local"}}

    def _existing(self, name: str) -> dict[str, Any]:
        if name not in self._known:
            raise Refused(f"there is no volume {name}")
        known: dict[str, Any] = self._known[name]
        return known

    def _shown(self, name: str, known: dict[str, Any]) -> dict[str, Any]:
        status = {} if self._defect == "says no status" else {"uses": len(known["uses"])}
        return {"Name": name, "Mountpoint": str(self._volumes / name), "Status": status}


CALLS = ("create", "get", "list", "path", "mount", "unmount", "remove", "capabilities")


class _OneAfterTheOther(socketserver.UnixStreamServer):
    """Serves one connection at a time."""


class _ManyAtOnce(socketserver.ThreadingUnixStreamServer):
    """Serves each connection in a thread."""

    daemon_threads = True


def server(path: Path, folder: Path, defect: str = "") -> socketserver.BaseServer:
    """A server for the plugin, which listens and has yet to serve."""
    plugin = SmallPlugin(folder, defect)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                self._send(200, plugin.answer(self.path, body))
            except Refused as error:
                if defect == "drops the connection when a request is malformed" and (
                    "no JSON" in str(error)
                ):
                    self.close_connection = True
                elif defect == "reports errors in a field of its own":
                    self._send(200, {"Error": str(error)})
                else:
                    self._send(500, {"Err": str(error)})
            except LookupError:
                is_wrong = defect == "reports errors in a field of its own"
                self._send(200 if is_wrong else 404, {"Error": "no such call"})

        def _send(self, status: int, fields: dict[str, Any]) -> None:
            content = json.dumps(fields).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            with suppress(BrokenPipeError):  # who asked does not wait any more
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing of a request."""

        def address_string(self) -> str:
            return "engine"

    path.unlink(missing_ok=True)
    kind = _OneAfterTheOther if defect == "answers one connection after the other" else _ManyAtOnce
    return kind(str(path), Handler)


@contextmanager
def serving(path: Path, folder: Path, defect: str = "") -> Iterator[None]:
    """The plugin answers meanwhile, in a thread of this process."""
    running = server(path, folder, defect)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        running.shutdown()
        running.server_close()


if __name__ == "__main__":
    server(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]).serve_forever()
