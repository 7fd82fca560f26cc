"""The two ways in, `make` and `.ci/run`: who may type them, what they end with, what they leave."""

from __future__ import annotations

import shutil

import pytest

from host import ROOT
from tests.contract.host.conftest import Machine

pytestmark = pytest.mark.contract

# Tests of a known outcome in the place of ours: .ci/run is about what comes after them.
TWO_TESTS = '<testsuite><testcase name="a"/><testcase name="b"><failure/></testcase></testsuite>'
MAKEFILE = f"""
demo:
	{{demo}}
test:
	mkdir -p build/junit && echo '{TWO_TESTS}' > build/junit/unit.xml
	{{end}}
samples:
	{{samples}}
clean:
	rm -rf build
"""
# A bare root that is no other: what .ci/run does before and after is looked at here.
NO_ROOT = '#!/bin/sh\nshift 2\nexec "$@"\n'
# `python3 -m host`, but for what installs packages or starts nodes.
FORGETS_ONLY = '#!/bin/sh\n[ "$1" != forget ] || exec python3 -m host forget\n'
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@pytest.fixture
def checkout(machine: Machine) -> Machine:
    """A checkout any account may read, on a machine whose default route leads nowhere."""
    machine.get("cp", "--recursive", str(machine.checkout), "/run/checkout")
    machine.get("cp", str(ROOT / "Makefile"), "/run/checkout/Makefile")
    machine.get("ip", "link", "add", "up0", "type", "bridge")
    machine.get("ip", "address", "add", "192.0.2.9/24", "dev", "up0")
    machine.get("ip", "link", "set", "up0", "up")
    machine.get("ip", "route", "add", "default", "via", "192.0.2.1")
    return machine


def ci(machine: Machine, end: str, demo: str = "true", samples: str = "true") -> tuple[int, str]:
    """The exit status and the last line of `.ci/run` when `make test` ends with this command."""
    makefile = MAKEFILE.format(end=end, demo=demo, samples=samples)
    (machine.checkout / "Makefile").write_text(makefile)
    for folder in (".ci", "report"):
        shutil.copytree(ROOT / folder, machine.checkout / folder, dirs_exist_ok=True)
    (machine.checkout / ".ci" / "bare-root").write_text(NO_ROOT)
    done = machine.run(".ci/run")
    return done.returncode, done.stdout.splitlines()[-1]


def rules(machine: Machine) -> list[str]:
    return machine.get("iptables", "-S", "OUTPUT").splitlines()[1:]


def test_without_root_and_sudo_make_says_so_in_one_line(checkout: Machine) -> None:
    checkout.get("mkdir", "/run/bin")
    checkout.get("sh", "-c", "ln -s /usr/bin/* /run/bin && rm -f /run/bin/sudo")
    done = checkout.run(*NOBODY, "env", "PATH=/run/bin", "make", "-C", "/run/checkout", "demo")
    assert done.returncode != 0
    assert [line for line in done.stderr.splitlines() if not line.startswith("make")] == [
        "this needs root, and there is no sudo here; log in as root and type the same again"
    ]


def test_who_is_not_root_gets_there_through_sudo_with_what_was_asked(checkout: Machine) -> None:
    checkout.get("mkdir", "/run/bin")
    checkout.get("ln", "-s", "/usr/bin/echo", "/run/bin/sudo")
    make = (
        "make",
        "--no-print-directory",
        "-C",
        "/run/checkout",
        "test",
        "TAGS=@readme and not @slow",
    )
    asked = checkout.get(
        *NOBODY,
        *("env", "--unset=PROVIDER", "PATH=/run/bin:/usr/bin:/bin", "NODES=3", "CEPH=yes"),
        *make,
    )
    assert "--preserve-env=http_proxy,https_proxy," in asked
    assert asked.splitlines()[-1].endswith("make test TAGS=@readme and not @slow NODES=3 CEPH=yes")


def test_bare_make_lists_every_target(checkout: Machine) -> None:
    listed = checkout.get("make", "--no-print-directory", "-C", "/run/checkout").splitlines()
    targets = [line.split()[0] for line in listed]
    assert {"demo", "test", "check", "unit", "up", "down", "box", "report", "clean"} <= set(targets)


@pytest.mark.parametrize("provider", ["docker", "libvirt"])
def test_up_builds_what_the_nodes_run_from_and_gives_those_that_are_up_the_driver(
    checkout: Machine, provider: str
) -> None:
    checkout.get("mkdir", "/run/bin")
    checkout.get("ln", "-s", "/usr/bin/echo", "/run/bin/vagrant")
    up = (
        "from host import __main__, provider;"
        "provider.builds = lambda chosen: [['platform', chosen]];"
        "__main__.up()"
    )
    asked = ("env", "PATH=/run/bin:/usr/bin:/bin", f"VAGRANT_DEFAULT_PROVIDER={provider}")
    checkout.get(*asked, "/usr/bin/python3", "-c", up)
    log = checkout.checkout / "build/log/vagrant-up.log"
    assert log.read_text() == f"up --provision --provider={provider}\n"


def test_nodes_are_not_started_when_what_they_run_from_was_not_built(checkout: Machine) -> None:
    asked = ("env", "VAGRANT_DEFAULT_PROVIDER=docker", "/usr/bin/python3", "-m", "host", "up")
    done = checkout.run(*asked)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "not started: `python3 -m box images` failed"


@pytest.mark.parametrize(("story", "passed"), [("true", True), ("false", False)])
def test_demo_says_where_the_app_is_if_its_story_passed_and_forgets_the_last_report(
    checkout: Machine, story: str, passed: bool
) -> None:
    checkout.get("mkdir", "-p", "/run/checkout/.venv/bin", "/run/checkout/build/report")
    checkout.get("ln", "-s", "/usr/bin/true", "/run/checkout/.venv/bin/python")
    forgets_only = "/run/checkout/forgets-only"
    checkout.get("install", "/dev/null", forgets_only)
    checkout.python(f"open('{forgets_only}', 'w').write({FORGETS_ONLY!r})")
    demo = ("make", "-C", "/run/checkout", "demo", f"HOST={forgets_only}", f"BEHAVE={story}")
    done = checkout.run(*demo)
    assert (done.returncode == 0) == passed
    assert ("the app now: http://172.16.78.251 (node2)" in done.stdout) == passed
    assert checkout.run("test", "-e", "/run/checkout/build/report").returncode != 0


@pytest.mark.parametrize("target", ["check", "unit", "contract", "report"])
def test_what_needs_no_nodes_needs_neither_an_engine_nor_their_subnet(
    checkout: Machine, target: str
) -> None:
    typed = checkout.get("make", "--dry-run", "-C", "/run/checkout", target)
    assert "host tools" in typed
    assert "host prepare" not in typed


@pytest.mark.parametrize(
    ("demo", "end", "samples", "status", "closing"),
    [
        ("true", "true", "true", 0, "1 passed, 1 failed"),
        ("true", "exit 3", "true", 1, "1 passed, 1 failed"),
        ("exit 3", "true", "true", 1, "1 passed, 1 failed"),
        ("true", "true", "exit 3", 1, "1 passed, 1 failed"),
        ("exit 3", "rm -r build", "true", 1, "0 passed, 1 failed"),
        ("true", "rm -r build; exit 1", "true", 1, "0 passed, 1 failed"),
    ],
)
def test_ci_fails_with_the_demo_the_tests_or_a_sample_and_ends_with_their_number(
    checkout: Machine, demo: str, end: str, samples: str, status: int, closing: str
) -> None:
    assert ci(checkout, end, demo, samples) == (status, closing)
    assert not (checkout.checkout / "build").exists()


def test_ci_guards_the_network_only_while_it_runs(checkout: Machine) -> None:
    status, _ = ci(checkout, "iptables -C OUTPUT -o up0 -d 172.16.0.0/12 -j REJECT")
    assert status == 0, "no guard while tests ran"
    assert rules(checkout) == []


def test_ci_leaves_a_guard_that_was_there(checkout: Machine) -> None:
    checkout.get("iptables", "-I", "OUTPUT", "-o", "up0", "-d", "172.16.0.0/12", "-j", "REJECT")
    before = rules(checkout)
    assert ci(checkout, "true")[0] == 0
    assert rules(checkout) == before
