"""Removes what this checkout put on the machine, and nothing else."""

import os
import shutil
from collections.abc import Sequence

from host import (
    BUILD,
    LOGS,
    ROOT,
    engine,
    files,
    frozen,
    libvirt,
    loops,
    nodes,
    progress,
    provider,
    turn,
)
from host.commands import attempt, docker_lines
from host.nodes import Container
from host.problem import Problem

ASKED_FOR = ("NODES", "CEPH", "VAGRANT_DEFAULT_PROVIDER")
"""What a person may have set for nodes to come; those that are there are as they are."""


def down() -> None:
    """Destroy the nodes of this checkout, what they left, and what was started here for them.

    Safe to repeat, and after a crash or a reboot: what is not there any more is passed over.

    Raises:
        StepFailed: Vagrant could not destroy a machine; what can be removed without it is gone.
        Problem: the engine or libvirt, which hold the nodes, do not start, do not end, or keep one;
            or scenarios run on the nodes.
    """
    turn.refuse_if_taken()
    if nodes.machine_files("docker"):
        engine.start()  # containers and volumes can be removed only through an engine
    _remove_machines()
    engine.stop()


def clean() -> None:
    """As `down`; then leave the checkout as after a fresh clone, and no image or box of ours.

    Of an engine or libvirt that stays up for others the note stays, too: the next try needs it.

    Raises:
        StepFailed, Problem: as `down`; then the files stay, for the next try needs them.
        OSError: a file could not be removed.
    """
    turn.refuse_if_taken()
    if (nodes.machine_files("docker") or (BUILD / "box").exists()) and shutil.which("dockerd"):
        engine.start()
    _remove_machines()
    # Not forced: nodes of another checkout may still stand on it.
    for name in nodes.IMAGES:
        for image in docker_lines("image", "ls", "--format={{.Repository}}:{{.Tag}}", name):
            attempt("docker", "image", "rm", image)
    engine.stop()
    # Not by `vagrant box remove`: for libvirt's that wants a libvirt that runs, and it is stopped.
    files.remove(provider.box_folder())
    records = (engine.RECORD, libvirt.RECORD)
    files.remove_made(ROOT, keep=[record for record in records if record.exists()])


def _remove_machines() -> None:
    """The nodes, whatever they are made of, and libvirt if it was started here."""
    if nodes.machine_files("libvirt") or libvirt.RECORD.exists():
        libvirt.start()
    _remove_nodes()
    libvirt.remove_box_volumes()
    libvirt.stop()


def _remove_nodes() -> None:
    ours = nodes.ours(nodes.containers(), ROOT)
    left_behind = loops.of(ours, loops.attached())
    _remove_containers(ours)  # at once: Vagrant would first wait for each node to shut down
    try:
        if nodes.machine_files():
            _destroy_with_vagrant()
    finally:
        # One that a killed Vagrant had asked the engine for may be there only now.
        late = nodes.ours(nodes.containers(), ROOT)
        _remove_containers(late)
        _remove_volumes((*ours, *late))
        loops.detach(left_behind)
        _remove_network()
    stays = " ".join(container.name for container in nodes.ours(nodes.containers(), ROOT))
    if stays:
        raise Problem(f"the engine keeps {stays}; type: docker rm --force {stays}")
    if not nodes.machine_files():
        # They fix the number of nodes, also when `vagrant up` made them and then no node.
        shutil.rmtree(ROOT / ".vagrant" / "certs", ignore_errors=True)


def _destroy_with_vagrant() -> None:
    progress.run(
        "Destroying the nodes with Vagrant",
        ["vagrant", "destroy", "--force"],
        LOGS / "vagrant-destroy.log",
        cwd=ROOT,
        # The Vagrantfile refuses another number than the nodes were made with, and a provider that
        # there is not.
        env={name: os.environ[name] for name in os.environ if name not in ASKED_FOR},
    )


def _remove_volumes(removed: Sequence[Container]) -> None:
    """The volumes that containers have left behind."""
    volumes = {volume for container in removed for volume in container.volumes}
    for volume in volumes.intersection(docker_lines("volume", "ls", "--quiet")):
        attempt("docker", "volume", "rm", volume)


def _remove_network() -> None:
    """The nodes' network, unless a container of another checkout is in it."""
    if not docker_lines("ps", "--all", "--quiet", "--filter", f"network={nodes.NETWORK}"):
        attempt("docker", "network", "rm", nodes.NETWORK)


def _remove_containers(ours: Sequence[Container]) -> None:
    if ours:
        with progress.step("Removing the nodes' containers"):
            for container in ours:
                frozen.thaw(container.pid)
            attempt("docker", "rm", "--force", "--volumes", *(container.name for container in ours))
