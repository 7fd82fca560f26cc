"""The daemon as systemd starts it, with settings that only a test changes: see OwnDriver."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from flocker.__main__ import FIRST_INHERITED_FD, serve
from flocker.base.config import Ceph, Certificates, Config
from flocker.certificates import leaves, renewal, signing
from tests.contract.flocker.ceph import debians_rados

SHORT_SECONDS = 20  # of a certificate, for tests of its renewal


def main(settings: dict[str, Any]) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for library in ("httpx", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)
    os.dup2(settings["listening"], FIRST_INHERITED_FD)
    os.environ["LISTEN_PID"] = str(os.getpid())
    told_to_end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told_to_end.set())
    if settings.get("are_certificates_short"):
        leaves.LEAF_SECONDS = signing.BACKDATED_SECONDS + SHORT_SECONDS
        leaves.RENEW_SECONDS = SHORT_SECONDS / 2
        renewal.CHECK_SECONDS = 1
        renewal.WARN_SECONDS = 1
    config = Config(
        node=settings["node"],
        address=settings["address"],
        etcd_endpoints=[settings["etcd"]],
        certificates=Certificates.within(Path(settings["certificates"])),
        pool=Path(settings["pool"]),
        runtime=Path(settings["runtime"]),
        engine_socket=Path(settings["engine"]),
        peer_port=settings["peer_port"],
        member_certificates=Path(settings["certificates"]) / "member",
        ceph=Ceph.from_environment(settings.get("ceph", {})),
    )
    if config.ceph is not None:
        debians_rados.load()
    return serve(config, told_to_end)


if __name__ == "__main__":
    status = main(json.loads(sys.argv[1]))
    logging.shutdown()
    os._exit(status)
