#!/bin/bash
# Makes a node of this machine: certificates, pool, etcd, the driver, the engine and its images.
#
#   node.sh NAME ADDRESS MEMBERS      MEMBERS of etcd: node1=172.16.78.250,node2=...
#
# Safe to repeat: what has not changed is left alone, and a changed driver restarts the driver only.
set -euo pipefail

name=$1 address=$2 members=$3
source=/vagrant
uploaded=/tmp/flocker-certs
library=/usr/local/lib/flocker
packages=/usr/local/lib/python3.13/dist-packages
due=/run/flocker-restart-due # a file per unit; outlives this script if that is interrupted

main() {
    install -d "$due"
    install_certificates
    install_units
    configure_etcd
    configure_driver
    install_driver
    start_services
    load_images
}

# put UNITS MODE FILE: standard input becomes FILE; if that is news, UNITS are due for a restart.
put() {
    local units=$1 mode=$2 file=$3
    cat >"$file.new"
    if cmp --silent "$file.new" "$file"; then
        rm "$file.new"
        return
    fi
    chmod "$mode" "$file.new"
    restart_later $units
    mv "$file.new" "$file"
}

# Said before the change, so that no interruption comes between the two.
restart_later() {
    local unit
    for unit; do touch "$due/$unit"; done
}

install_certificates() {
    install -d /etc/flocker
    install -d -m 2750 -g etcd /etc/flocker/certs # etcd does not run as root, and reads them too
    for file in ca.pem cert.pem key.pem; do
        put "etcd flocker docker" 0640 "/etc/flocker/certs/$file" <"$uploaded/$file"
    done
    rm -r "$uploaded"
}

install_units() {
    local units=$source/provision/units system=/etc/systemd/system
    install -d "$system/etcd.service.d" "$system/docker.service.d" "$library" /etc/docker
    # A pool that is mounted stays as it is until the next boot.
    put "" 0755 "$library/pool" <"$source/provision/pool"
    put "" 0644 "$system/flocker-pool.service" <"$units/flocker-pool.service"
    put flocker 0644 "$system/flocker.socket" <"$units/flocker.socket"
    put flocker 0644 "$system/flocker.service" <"$units/flocker.service"
    put flocker-fence 0644 "$system/flocker-fence.service" <"$units/flocker-fence.service"
    put etcd 0644 "$system/etcd.service.d/flocker.conf" <"$units/etcd.service.d/flocker.conf"
    put docker 0644 "$system/docker.service.d/flocker.conf" <"$units/docker.service.d/flocker.conf"
    put docker 0644 /etc/docker/daemon.json <"$source/provision/daemon.json"
}

is_member() { [[ ",$members" == *",$name="* ]]; }

configure_etcd() {
    is_member || return 0
    local certs=/etc/flocker/certs state
    state=$(sed -n 's/^ETCD_INITIAL_CLUSTER_STATE=//p' /etc/default/etcd)
    if [ ! -e /var/lib/etcd/default/member/wal ] && rejoin_etcd; then state=existing; fi
    put etcd 0644 /etc/default/etcd <<EOF
ETCD_NAME=$name
ETCD_LISTEN_CLIENT_URLS=https://$address:2379,https://127.0.0.1:2379
ETCD_ADVERTISE_CLIENT_URLS=https://$address:2379
ETCD_LISTEN_PEER_URLS=https://$address:2380
ETCD_INITIAL_ADVERTISE_PEER_URLS=https://$address:2380
ETCD_INITIAL_CLUSTER=$(sed -E 's|=([^,]+)|=https://\1:2380|g' <<<"$members")
ETCD_INITIAL_CLUSTER_STATE=${state:-new}
ETCD_CLIENT_CERT_AUTH=true
ETCD_TRUSTED_CA_FILE=$certs/ca.pem
ETCD_CERT_FILE=$certs/cert.pem
ETCD_KEY_FILE=$certs/key.pem
ETCD_PEER_CLIENT_CERT_AUTH=true
ETCD_PEER_TRUSTED_CA_FILE=$certs/ca.pem
ETCD_PEER_CERT_FILE=$certs/cert.pem
ETCD_PEER_KEY_FILE=$certs/key.pem
# The nodes of a demo share one slow disk; the defaults (100, 1000) elect leaders for nothing.
ETCD_HEARTBEAT_INTERVAL=200
ETCD_ELECTION_TIMEOUT=2000
ETCD_AUTO_COMPACTION_RETENTION=1h
EOF
}

# A node that was destroyed and made anew comes back with an empty disk, and etcd refuses a member
# that has forgotten what it voted for: the old one leaves the cluster and a new one is added.
# Exit status 1 when this is no such node: the cluster is only being made, or has no quorum.
rejoin_etcd() {
    local peer_url=https://$address:2380 list known
    list=$(etcdctl_elsewhere member list 2>/dev/null) || return 1
    known=$(grep -F " $peer_url," <<<"$list" || true)
    case $known in
        *", unstarted, "*) return ;; # added, but provisioning did not get further
        *", https://$address:2379,"*) etcdctl_elsewhere member remove "${known%%,*}" >/dev/null ;;
        ?*) return 1 ;; # known since the cluster was made, and never started
    esac
    etcdctl_elsewhere member add "$name" --peer-urls="$peer_url" >/dev/null
}

etcdctl_elsewhere() {
    local certs=/etc/flocker/certs others
    others=$(etcd_endpoints | tr , '\n' | grep -vF "https://$address:" | paste -sd,)
    [ -n "$others" ] || return 1
    etcdctl --endpoints="$others" --dial-timeout=1s --command-timeout=2s \
        --cacert="$certs/ca.pem" --cert="$certs/cert.pem" --key="$certs/key.pem" "$@"
}

configure_driver() {
    put "flocker flocker-fence docker" 0644 /etc/flocker/flocker.env <<EOF
FLOCKER_NODE=$name
FLOCKER_ADDRESS=$address
FLOCKER_POOL=/var/lib/flocker
FLOCKER_ETCD_ENDPOINTS=$(etcd_endpoints)
FLOCKER_CERTS=/etc/flocker/certs
EOF
    put flocker 0755 /usr/local/bin/flocker <<'EOF'
#!/bin/sh
set -a
. /etc/flocker/flocker.env
exec python3 -m flocker.cli "$@"
EOF
}

# This node's own member first, if it has one.
etcd_endpoints() {
    tr , '\n' <<<"$members" | sort --stable --key=1,1 -t= |
        awk -F= -v name="$name" '{ url = "https://" $2 ":2379" }
            $1 == name { own = url; next } { others = others "," url }
            END { list = own others; sub(/^,/, "", list); print list }'
}

# Each version is whole in a directory of its own; a link says which one is used.
install_driver() {
    local version release
    version=$(cd "$source/flocker" && find . -name '*.py' -print0 | sort -z |
        xargs -0 sha256sum | sha256sum | cut -c1-16)
    release=$library/releases/$version
    if [ "$(readlink "$packages/flocker")" = "$release/flocker" ]; then return; fi
    rm -rf "$release"
    install -d "$release" "$packages"
    cp -r "$source/flocker" "$release/flocker"
    find "$release" -name __pycache__ -prune -exec rm -r {} +
    python3 -m compileall -q "$release"
    restart_later flocker flocker-fence
    ln -sfn "$release/flocker" "$packages/flocker.new"
    mv -T "$packages/flocker.new" "$packages/flocker"
    find "$library/releases" -mindepth 1 -maxdepth 1 ! -path "$release" -exec rm -r {} +
}

start_services() {
    systemctl daemon-reload
    enable flocker-pool.service flocker.socket flocker.service flocker-fence.service docker.service
    systemctl start flocker-pool.service flocker.socket
    # Neither is waited for here: etcd is ready with its second member, which may come later, and
    # whether the driver works is for ready.sh to find out.
    if is_member; then
        enable etcd.service
        start_or_restart etcd --no-block
    fi
    start_or_restart flocker-fence
    start_or_restart flocker --no-block
    start_or_restart docker
}

enable() {
    local unit
    for unit; do
        systemctl --quiet is-enabled "$unit" || systemctl --quiet enable "$unit"
    done
}

start_or_restart() {
    local verb=start
    if [ -e "$due/$1" ]; then verb=restart; fi
    systemctl "${@:2}" "$verb" "$1.service"
    rm -f "$due/$1"
}

# A docker archive says its image's id in its first member.
load_images() {
    local archives=("$source"/build/box/images/*.tar) archive id
    if [ ! -e "${archives[0]}" ]; then
        echo "$name: no images in build/box/images; on the host, run python3 -m box images" >&2
        exit 1
    fi
    for archive in "${archives[@]}"; do
        id=$(tar --occurrence=1 -xOf "$archive" manifest.json |
            sed -E 's/.*"Config": "([0-9a-f]+)\.json".*/\1/')
        docker image inspect "sha256:$id" >/dev/null 2>&1 || docker load --quiet --input "$archive"
    done
}

main
