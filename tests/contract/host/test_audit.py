"""`make audit` against a database of advisories that this test serves, and against none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from host import ROOT
from judge.machine.ports import free_port

pytestmark = pytest.mark.contract

ADVISORY = {
    "id": "GHSA-test-test-test",
    "modified": "2026-01-01T00:00:00Z",
    "summary": "whales may drown",
    "affected": [
        {
            "package": {"name": "starlette", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}],
        }
    ],
}


class Database(BaseHTTPRequestHandler):
    """Answers in the form of the OSV database; knows one advisory about `concerned`."""

    concerned = ""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = [ADVISORY] if asked["package"]["name"] == self.concerned else []
        answer = json.dumps({"vulns": known} if known else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def database() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Database)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join()
    server.server_close()


def audit(url: str) -> subprocess.CompletedProcess[str]:
    chosen = {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": url}
    return subprocess.run(
        [sys.executable, "-m", "host.audit"],
        check=False,
        capture_output=True,
        cwd=ROOT,
        env=os.environ | chosen,
        text=True,
        timeout=120,
    )


def test_an_advisory_is_named_with_the_version_that_mends_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, "concerned", "starlette")
    done = audit(database)
    assert done.returncode == 1, done.stderr
    assert "GHSA-test-test-test; mended in 99" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("packages checked, 1 advisories")


def test_without_advisories_it_says_how_many_packages_were_checked(database: str) -> None:
    done = audit(database)
    assert done.returncode == 0, done.stdout + done.stderr
    count = (ROOT / "requirements.lock").read_text().count("==")
    assert done.stdout == f"audit: {count} of {count} packages checked, 0 advisories\n"


def test_a_database_that_is_out_of_reach_is_said() -> None:
    done = audit(f"http://127.0.0.1:{free_port()}/v1/query")
    assert done.returncode == 2
    assert done.stdout.startswith(
        "audit: no database of advisories was reached, nothing was checked"
    )
