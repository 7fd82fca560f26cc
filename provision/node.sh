#!/bin/bash
# Makes a node of this machine: certificates, pool, etcd, the driver, the engine and its images.
#
#   node.sh NAME ADDRESS MEMBERS      MEMBERS of etcd: node1=172.16.78.250,node2=...
#
# Run as root on Debian 12 or 13 or Ubuntu 24.04. From $source it takes the driver's package, the
# images and its neighbours in this folder; from apt what is missing otherwise, if anything is.
#
# Safe to repeat: what has not changed is left alone, and a changed driver restarts the driver only.
set -euo pipefail

name=$1 address=$2 members=$3
source=/vagrant
uploaded=/tmp/flocker-certs
certs=/etc/flocker/certs
# Debian's package begins a cluster of one when it is installed, in a folder next to this.
etcd_data=/var/lib/etcd/flocker
quorum_seconds=60 # how long a node that was made anew waits for the others to agree
engine_certs=/etc/docker/flocker-certs # the engine outlives the driver, whose folder a purge removes
engine_settings=/etc/docker/daemon.json
our_engine_settings=/etc/flocker/daemon.json
due=/run/flocker-restart-due # a file per unit; outlives this script if that is interrupted

main() {
    refuse_foreign_settings
    install -d "$due"
    install_programs
    install_driver
    install_certificates
    configure_engine
    configure_etcd
    configure_driver
    start_services
    load_images
}

# A daemon.json that was made before us holds somebody's decisions.
refuse_foreign_settings() {
    [ -e "$engine_settings" ] || return 0
    local known
    for known in "$our_engine_settings" "$source/provision/daemon.json"; do
        if cmp --silent "$engine_settings" "$known"; then return; fi
    done
    echo "$name: $engine_settings has settings of its own, which would be overwritten;" \
        "to do without them, type: sudo mv $engine_settings $engine_settings.old" >&2
    exit 1
}

install_programs() {
    local missing=()
    needs dockerd docker.io
    needs docker-compose docker-compose
    needs etcdctl etcd-client
    if is_member; then needs etcd etcd-server; fi
    needs mkfs.btrfs btrfs-progs
    needs iptables iptables
    needs rsync rsync
    needs curl curl
    if command -v docker >/dev/null && [ ${#missing[@]} = 0 ]; then return; fi
    apt update
    # Debian 13 has the engine's command in a package of its own.
    if apt-cache show docker-cli >/dev/null 2>&1; then needs docker docker-cli; fi
    apt install "${missing[@]}"
}

needs() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null || missing+=("$2")
}

apt() {
    local said
    said=$(DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$1" --yes \
        --no-install-recommends "${@:2}" 2>&1) && return
    echo "$name: apt-get $1 failed; it said: $(tail -n 10 <<<"$said")" >&2
    exit 1
}

# The same version may be made of another checkout: what counts is what it consists of.
install_driver() {
    local packages=("$source"/build/deb/flocker_*_"$(dpkg --print-architecture)".deb)
    if [ ! -e "${packages[0]}" ]; then
        echo "$name: no package in build/deb; on the host, run python3 -m host deb" >&2
        exit 1
    fi
    if is_installed "${packages[0]}"; then return; fi
    # Its own scripts restart the driver, if that is configured.
    apt install --reinstall --allow-downgrades "${packages[0]}"
}

is_installed() { # PACKAGE
    local status member
    status=$(dpkg-query --show --showformat='${db:Status-Status}' flocker 2>/dev/null) || return 1
    [ "$status" = installed ] || return 1
    for member in md5sums postinst prerm postrm; do
        cmp --silent "/var/lib/dpkg/info/flocker.$member" <(dpkg-deb --info "$1" "$member") ||
            return 1
    done
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
    local readers=root file
    if is_member; then readers=etcd; fi # it does not run as root
    install -d -m 2750 -g "$readers" "$certs"
    install -d -m 0700 "$engine_certs"
    for file in ca.pem cert.pem key.pem; do
        put docker 0600 "$engine_certs/$file" <"$uploaded/$file"
        put "etcd flocker" 0640 "$certs/$file" <"$uploaded/$file"
    done
    rm -r "$uploaded"
}

configure_engine() {
    local drop_ins=/etc/systemd/system/docker.service.d
    install -d "$drop_ins"
    # Debian and Docker have the program in different folders.
    put docker 0644 "$drop_ins/node.conf" <<EOF
[Unit]
StartLimitIntervalSec=0

[Service]
ExecStart=
ExecStart=$(command -v dockerd) -H fd:// -H tcp://$address:2376 --containerd=/run/containerd/containerd.sock
EOF
    put docker 0644 "$engine_settings" <"$source/provision/daemon.json"
    put "" 0644 "$our_engine_settings" <"$source/provision/daemon.json"
}

is_member() { [[ ",$members" == *",$name="* ]]; }

configure_etcd() {
    is_member || return 0
    local state drop_ins=/etc/systemd/system/etcd.service.d
    install -d "$drop_ins"
    put etcd 0644 "$drop_ins/flocker.conf" <"$source/provision/units/etcd.service.d/flocker.conf"
    state=$(sed -n 's/^ETCD_INITIAL_CLUSTER_STATE=//p' /etc/default/etcd)
    if [ ! -e "$etcd_data/member/wal" ] && rejoin_etcd; then state=existing; fi
    put etcd 0644 /etc/default/etcd <<EOF
ETCD_NAME=$name
ETCD_DATA_DIR=$etcd_data
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
# A volume that changes every second makes a kilobyte of revisions a second, which nobody reads again.
# The default quota, 2 GiB, was full at 285 such volumes; now and then the driver gives room back.
ETCD_AUTO_COMPACTION_MODE=periodic
ETCD_AUTO_COMPACTION_RETENTION=5m
ETCD_QUOTA_BACKEND_BYTES=4294967296
EOF
}

# A node that was made anew comes back with an empty disk, maybe at another address, and etcd refuses
# a member that has forgotten what it voted for: the old one leaves the cluster, a new one is added.
# Exit status 1 when this is no such node: the cluster is only being made.
rejoin_etcd() {
    local peer_url=https://$address:2380 list known deadline=$((SECONDS + quorum_seconds))
    until list=$(etcdctl_elsewhere member list 2>/dev/null); do
        cluster_was_made || return 1
        if [ "$SECONDS" -ge "$deadline" ]; then
            echo "$name: the other nodes' etcd has no quorum; start them, then try again" >&2
            exit 1
        fi
        sleep 1
    done
    # id, status, name, peer URL, client URLs: those come once it has been started
    known=$(awk -F', ' -v name="$name" -v url="$peer_url" \
        '$3 == name || $4 == url { print $1, $2, $5 == "" ? "new" : "old"; exit }' <<<"$list")
    case $known in
        *" unstarted new") return ;; # added, but provisioning did not get further
        *" started old") change_members remove "${known%% *}" ;;
        ?*) return 1 ;; # known since the cluster was made, and never started
    esac
    change_members add "$name" --peer-urls="$peer_url"
}

# A member that has told where its clients find it was part of a quorum; etcd refuses to make a second
# cluster then. The port for peers answers this also while there is no quorum.
cluster_was_made() {
    local url said
    while read -r url; do
        said=$(curl --silent --http1.1 --max-time 5 --cacert "$certs/ca.pem" \
            --cert "$certs/cert.pem" --key "$certs/key.pem" "${url%:2379}:2380/members") || continue
        if [[ $said == *'"clientURLs":['* ]]; then return; fi
    done < <(etcd_endpoints | tr , '\n' | grep -vF "https://$address:")
    return 1
}

# Without an answer it may have been done all the same. Going on as if it had not would make a cluster
# of its own of this node; the next try finds out.
change_members() {
    local said deadline=$((SECONDS + quorum_seconds))
    while true; do
        said=$(etcdctl_elsewhere --command-timeout=20s member "$@" 2>&1) && return
        # Refused for certain: members that have just come back count as healthy after some seconds.
        [[ $said == *"unhealthy cluster"* && $SECONDS -lt $deadline ]] || break
        sleep 1
    done
    echo "$name: etcd does not $1 a member; try again. It said: $(tail -n 1 <<<"$said")" >&2
    exit 1
}

etcdctl_elsewhere() {
    local others
    others=$(etcd_endpoints | tr , '\n' | grep -vF "https://$address:" | paste -sd,)
    [ -n "$others" ] || return 1
    etcdctl --endpoints="$others" --dial-timeout=1s --command-timeout=2s \
        --cacert="$certs/ca.pem" --cert="$certs/cert.pem" --key="$certs/key.pem" "$@"
}

configure_driver() {
    local file=/etc/flocker/flocker.env
    {
        cat <<EOF
FLOCKER_NODE=$name
FLOCKER_ADDRESS=$address
FLOCKER_ETCD_ENDPOINTS=$(etcd_endpoints)
FLOCKER_CERTS=$certs
EOF
        # Whatever else somebody has set there stays.
        if [ -e "$file" ]; then
            grep -vE '^FLOCKER_(NODE|ADDRESS|ETCD_ENDPOINTS|CERTS)=' "$file" || true
        fi
    } | put "flocker flocker-fence" 0644 "$file"
}

# This node's own member first, if it has one.
etcd_endpoints() {
    tr , '\n' <<<"$members" | sort --stable --key=1,1 -t= |
        awk -F= -v name="$name" '{ url = "https://" $2 ":2379" }
            $1 == name { own = url; next } { others = others "," url }
            END { list = own others; sub(/^,/, "", list); print list }'
}

start_services() {
    systemctl daemon-reload
    enable docker.service # the driver's package has enabled its units
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
