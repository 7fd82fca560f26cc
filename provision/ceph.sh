#!/bin/bash
# Gives this node its part of a small Ceph, and its driver the settings for it.
#
#   ceph.sh NAME MEMBERS      MEMBERS: node1=172.16.78.250,node2=...
#
# Run as root after node.sh, on a node of an image with Ceph. It waits for no other node: what needs
# them is ceph-join's to do, in the background. Safe to repeat.
set -euo pipefail

name=$1 members=$2
source=/vagrant/provision
uploaded=/tmp/flocker-ceph
driver_settings=/etc/flocker/flocker.env
filesystem=FLOCKER_CEPH_FILESYSTEM=shared

main() {
    install_settings
    make_monitor
    systemctl --quiet enable --now "ceph-mon@$name.service"
    systemctl daemon-reload
    systemctl --quiet enable ceph-join.service
    systemctl start --no-block ceph-join.service
    tell_driver
}

install_settings() {
    install -m 0644 -t /etc/ceph "$uploaded/ceph.conf"
    install -m 0600 -t /etc/ceph "$uploaded/ceph.client.admin.keyring"
    install -m 0600 -o ceph -t /var/lib/ceph/mon "$uploaded/mon.keyring"
    rm -r "$uploaded"
    echo "MEMBERS=$members" >/etc/ceph/members
    install -m 0644 -t /etc/systemd/system "$source/units/ceph-join.service"
}

# A monitor that is whole has the file `done`; another tool of Ceph's notes that in the same way.
make_monitor() {
    local data=/var/lib/ceph/mon/ceph-$name map=/var/lib/ceph/mon/monmap pair
    [ ! -e "$data/done" ] || return 0
    local addresses=()
    for pair in ${members//,/ }; do
        addresses+=(--addv "${pair%%=*}" "[v2:${pair#*=}:3300]")
    done
    monmaptool --create --clobber --fsid "$(sed -n 's/^fsid = //p' /etc/ceph/ceph.conf)" \
        "${addresses[@]}" "$map"
    rm -rf "$data"
    install -d -o ceph -g ceph "$data"
    ceph-mon --mkfs -i "$name" --monmap "$map" --keyring /var/lib/ceph/mon/mon.keyring \
        --setuser ceph --setgroup ceph
    touch "$data/done"
}

# As docs/operations.md has it typed on every node.
tell_driver() {
    if grep -qx "$filesystem" "$driver_settings"; then return; fi
    echo "$filesystem" >>"$driver_settings"
    systemctl restart --no-block flocker.service
}

main
