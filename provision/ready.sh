#!/bin/bash
# Waits until this node works; with `cluster`, until its nodes together do. One line on failure.
#
#   ready.sh node
#   ready.sh cluster NUMBER_OF_NODES
#
# READY_SECONDS: how long it may take, 60 unless an emulated machine needs more.
set -euo pipefail

. /etc/flocker/flocker.env
patience=${READY_SECONDS:-60}
deadline=$((SECONDS + patience))
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# within_deadline WHAT HINT COMMAND...
within_deadline() {
    local what=$1 hint=$2
    shift 2
    until timeout "$((patience / 12))" "$@" >"$answer" 2>&1; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            echo "$FLOCKER_NODE: $what; $hint. It said: $(tail -n 1 "$answer")" >&2
            exit 1
        fi
        sleep 0.2
    done
}

all_joined='
import json, sys
names = [node["name"] for node in json.load(sys.stdin)["nodes"]]
if len(names) < int(sys.argv[1]):
    sys.exit("joined: " + " ".join(names))
'

within_deadline "the volume driver does not answer" "see journalctl -u flocker" \
    curl --silent --show-error --fail --unix-socket /run/docker/plugins/flocker.sock \
    --data '{}' http://flocker/VolumeDriver.Capabilities
within_deadline "the engine does not answer" "see journalctl -u docker" docker version

if [ "$1" = cluster ]; then
    if [ -e /etc/ceph/ceph.conf ]; then
        within_deadline "Ceph does not work" "see journalctl -u ceph-join on each node" \
            systemctl is-active ceph-join
    fi
    certs=$FLOCKER_CERTS/etcd
    within_deadline "etcd has no quorum" "are all nodes up? see journalctl -u etcd on each" \
        etcdctl --endpoints="${FLOCKER_ETCD_ENDPOINTS%%,*}" \
        --cacert="$certs/ca.pem" --cert="$certs/cert.pem" --key="$certs/key.pem" endpoint health
    # A volume may be asked for on any node now, and its move needs the daemons of both. Said, but
    # no failure: another node may be down, and the others are a working cluster without it.
    (within_deadline "not all of the $2 nodes have joined" "see journalctl -u flocker on each" \
        bash -c 'status=$(flocker status --json) && python3 -c "$0" "$1" <<<"$status"' \
        "$all_joined" "$2") || true
fi
