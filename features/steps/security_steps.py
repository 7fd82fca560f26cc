"""Steps about those who ask for what is not theirs."""

import json

from behave import then, when

from acceptance.base.ports import DRIVER_PORT, ETCD_PEER_PORT, ETCD_PORT
from acceptance.context import Context
from acceptance.words.questions import ROUTES

ENGINE = "dockerd"
PORTS = {
    "the driver": DRIVER_PORT,
    "etcd for drivers": ETCD_PORT,
    "etcd for members": ETCD_PEER_PORT,
}
SECRETS = {
    "the pool's file": "/var/lib/flocker-disk/pool.img",
    "the volumes": "/var/lib/flocker/volumes",
    "the driver's key": "/etc/flocker/certs/key.pem",
    "the app's password": "/etc/moby-counter/password",
}


@when('a program without a certificate asks the etcd of "{node}" whether it is well')
def ask_etcd(context: Context, node: str) -> None:
    context.typed = context.operator.ask_etcd(node)


@when('a monitor asks "{node}" for its {what}')
def ask_as_monitor(context: Context, node: str, what: str) -> None:
    context.typed = context.operator.ask_driver(node, ROUTES[what], role="monitor")


@when('a monitor asks "{node}" to remove the volume "{volume}"')
def remove_as_monitor(context: Context, node: str, volume: str) -> None:
    removal = f"volumes/{volume}/remove"
    context.typed = context.operator.ask_driver(node, removal, role="monitor", method="POST")


@when('a program of the operator asks "{node}" for the snapshots of the volume "{volume}"')
def ask_for_snapshots(context: Context, node: str, volume: str) -> None:
    route = context.operator.snapshots_route(node, volume)
    context.typed = context.operator.ask_driver(node, route, role="operator")


@when('"{asker}" asks "{node}" for the snapshots of the volume "{volume}"')
def ask_as_node(context: Context, asker: str, node: str, volume: str) -> None:
    context.typed = context.operator.ask_as_node(asker, node, volume)


@when('a container on "{node}" connects to {what} on "{other}"')
def connect_from_container(context: Context, node: str, what: str, other: str) -> None:
    address = context.cluster.node(other).address
    command = f"docker run --rm busybox nc -w 3 {address} {PORTS[what]} < /dev/null"
    context.typed = context.operator.type(node, command)


@then("it gets no connection")
def check_no_connection(context: Context) -> None:
    typed = context.typed
    assert typed.exit_status == 1, f"exit status {typed.exit_status}: {typed.output}"


@when('a container on "{node}" opens the app on "{other}"')
def open_app_from_container(context: Context, node: str, other: str) -> None:
    address = context.cluster.node(other).address
    command = f"docker run --rm busybox wget -q -T 10 -O - http://{address}/"
    context.typed = context.operator.type(node, command)


@when('a local user of "{node}" reads {what}')
def read_as_local_user(context: Context, node: str, what: str) -> None:
    context.typed = context.operator.type(node, f"sudo -u nobody head -c 1 {SECRETS[what]}")


@then("it is told the health of a node")
def check_health(context: Context) -> None:
    typed = context.typed.must_succeed()
    assert isinstance(json.loads(typed.output), dict), f"it printed {typed.output!r}"


@then("it is told the metrics of a node")
def check_metrics(context: Context) -> None:
    typed = context.typed.must_succeed()
    assert "# TYPE flocker_" in typed.output, f"it said {typed.output!r}"


@then("no engine of a node listens on a network")
def check_engines(context: Context) -> None:
    for node in context.cluster.nodes:
        listening = node.run("sudo ss --tcp --udp --listening --numeric --processes")
        assert "sshd" in listening, f"{node.name} names no programs: {listening}"
        open_ports = [line for line in listening.splitlines() if f'"{ENGINE}"' in line]
        assert not open_ports, f"on {node.name}: {open_ports}"
