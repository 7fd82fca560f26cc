#!/bin/bash
# Waits until this node works; with `cluster`, until the nodes together do. One line on failure.
#
#   ready.sh node|cluster
set -euo pipefail

. /etc/flocker/flocker.env
deadline=$((SECONDS + 60))
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# within_deadline WHAT HINT COMMAND...
within_deadline() {
    local what=$1 hint=$2
    shift 2
    until timeout 5 "$@" >"$answer" 2>&1; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            echo "$FLOCKER_NODE: $what; $hint. It said: $(tail -n 1 "$answer")" >&2
            exit 1
        fi
        sleep 0.2
    done
}

within_deadline "the volume driver does not answer" "see journalctl -u flocker" \
    curl --silent --show-error --fail --unix-socket /run/docker/plugins/flocker.sock \
    --data '{}' http://flocker/VolumeDriver.Capabilities
within_deadline "the engine does not answer" "see journalctl -u docker" docker version

if [ "$1" = cluster ]; then
    certs=$FLOCKER_CERTS
    within_deadline "etcd has no quorum" "are all nodes up? see journalctl -u etcd on each" \
        etcdctl --endpoints="${FLOCKER_ETCD_ENDPOINTS%%,*}" \
        --cacert="$certs/ca.pem" --cert="$certs/cert.pem" --key="$certs/key.pem" endpoint health
fi
