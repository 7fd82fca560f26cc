"""A shop in a container: it writes each order to one volume, and then its payment to another."""

from __future__ import annotations

from acceptance.nodes.node import DRIVER

ORDERS, PAYMENTS = "orders", "payments"


def start() -> str:
    """The command that starts it; it writes as fast as it can."""
    script = (
        "while :; do i=$((i+1)); echo $i >> /orders/log; echo $i >> /payments/log; "
        "usleep 1000; done"
    )
    return (
        f"docker run -d --init --name shop --volume-driver {DRIVER} "
        f"-v {ORDERS}:/orders -v {PAYMENTS}:/payments busybox sh -c '{script}'"
    )


def compare(orders: str, payments: str) -> str:
    """The command that prints how many more orders than payments two volumes have."""
    script = "echo $(($(wc -l < /orders/log) - $(wc -l < /payments/log)))"
    return (
        f"docker run --rm --volume-driver {DRIVER} -v {orders}:/orders -v {payments}:/payments "
        f"busybox sh -c '{script}'"
    )
