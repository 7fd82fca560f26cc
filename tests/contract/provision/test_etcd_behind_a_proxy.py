"""A server whose environment names a proxy asks the other servers themselves."""

from __future__ import annotations

import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from host import ROOT
from judge.machine.ports import free_port

pytestmark = pytest.mark.contract

# Another server has etcd's port for peers on this machine.
ASK = """set -euo pipefail
. provision/etcd-members.sh
curl() { command curl "${@//:2380/:$port}"; }
cluster_was_made
"""
MAKE_CERTIFICATE = [
    *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
    *("-nodes", "-subj", "/CN=etcd", "-addext", "subjectAltName=IP:127.0.0.1"),
    *("-keyout", "key.pem", "-out", "cert.pem"),
]


class Members(BaseHTTPRequestHandler):
    """etcd's answer to a peer that asks for the members of a cluster that works."""

    def do_GET(self) -> None:
        content = b'[{"id":1,"clientURLs":["https://127.0.0.1:2379"]}]'
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def test_a_proxy_does_not_make_a_cluster_look_as_if_it_had_never_been_made(tmp_path: Path) -> None:
    certs = tmp_path / "etcd"
    certs.mkdir()
    subprocess.run(MAKE_CERTIFICATE, cwd=certs, check=True, capture_output=True)
    (certs / "ca.pem").write_text((certs / "cert.pem").read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs / "cert.pem", certs / "key.pem")
    port = free_port()
    with HTTPServer(("127.0.0.1", port), Members) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = {
            "name": "node1",
            "address": "127.0.0.2",
            "members": "node1=127.0.0.2,node2=127.0.0.1",
            "certs": str(tmp_path),
            "port": str(port),
            "https_proxy": f"http://127.0.0.1:{free_port()}",
            "PATH": "/usr/bin:/bin",
        }
        done = subprocess.run(
            ["bash", "-c", ASK], cwd=ROOT, env=settings, check=False, timeout=30
        )  # fmt: skip
        server.shutdown()
    assert done.returncode == 0
