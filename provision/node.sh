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
uploaded_password=/tmp/moby-counter
app_password=/etc/moby-counter # where the app's compose files look
certs=/etc/flocker/certs
member_certs=/etc/etcd/flocker-certs # etcd's user reads nothing else of them
# Debian's package begins a cluster of one when it is installed, in a folder next to this.
etcd_data=/var/lib/etcd/flocker
quorum_seconds=60 # how long a node that was made anew waits for the others to agree
engine_settings=/etc/docker/daemon.json
our_engine_settings=/etc/flocker/daemon.json
has_joined=no # this run made etcd's member of this node one of a cluster with records
due=/run/flocker-restart-due # a file per unit; outlives this script if that is interrupted

. "$source/provision/etcd-members.sh"

main() {
    refuse_foreign_settings
    install -d "$due"
    install_programs
    install_driver
    install_certificates
    install_app_password
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
    (umask 077 && cat >"$file.new") # until it has its mode, it is nobody else's
    if cmp --silent "$file.new" "$file"; then
        rm "$file.new"
        chmod "$mode" "$file"
        return
    fi
    chmod "$mode" "$file.new"
    chown --reference="$(dirname "$file")" "$file.new"
    restart_later $units
    mv "$file.new" "$file"
}

# Said before the change, so that no interruption comes between the two.
restart_later() {
    local unit
    for unit; do touch "$due/$unit"; done
}

# The node makes its certificates anew by itself, with its authorities. So those it was given count
# only together with new authorities, which are put there last: a run that was interrupted is repeated.
install_certificates() {
    local file
    install -d -m 0700 "$certs" "$certs/etcd" "$certs/authority" "$certs/authority"/{drivers,etcd}
    if is_member; then install -d -m 0700 -o etcd -g etcd "$member_certs"; fi
    if ! diff -r "$uploaded/authority" "$certs/authority" >/dev/null; then
        for file in ca.pem cert.pem key.pem; do
            if is_member; then put etcd 0600 "$member_certs/$file" <"$uploaded/member/$file"; fi
            put flocker 0600 "$certs/$file" <"$uploaded/$file"
            put flocker 0600 "$certs/etcd/$file" <"$uploaded/etcd/$file"
        done
        for file in {drivers,etcd}/{ca,cert,key}.pem; do
            put flocker 0600 "$certs/authority/$file" <"$uploaded/authority/$file"
        done
    fi
    # Without it etcd lets in nobody; from then on the driver keeps it.
    if is_member && [ ! -s "$member_certs/refused.crl" ]; then
        put etcd 0600 "$member_certs/refused.crl" <"$uploaded/member/refused.crl"
    fi
    rm -r "$uploaded"
}

# See provision/app-password.
install_app_password() {
    install -d -m 0700 "$app_password"
    install -m 0444 -t "$app_password" "$uploaded_password/password" "$uploaded_password/redis.conf"
    rm -r "$uploaded_password"
}

configure_engine() {
    local drop_ins=/etc/systemd/system/docker.service.d
    install -d "$drop_ins"
    put docker 0644 "$drop_ins/node.conf" <<'EOF'
[Unit]
# However often it was killed.
StartLimitIntervalSec=0
EOF
    put docker 0644 "$engine_settings" <"$source/provision/daemon.json"
    put "" 0644 "$our_engine_settings" <"$source/provision/daemon.json"
}

configure_etcd() {
    is_member || return 0
    local state cluster drop_ins=/etc/systemd/system/etcd.service.d
    install -d "$drop_ins"
    put etcd 0644 "$drop_ins/flocker.conf" <"$source/provision/units/etcd.service.d/flocker.conf"
    state=$(sed -n 's/^ETCD_INITIAL_CLUSTER_STATE=//p' /etc/default/etcd)
    cluster=$(first_members)
    if [ ! -e "$etcd_data/member/wal" ] && join_etcd; then
        has_joined=yes state=existing cluster=$(present_members)
    fi
    etcd_settings "$cluster" "${state:-new}" | put etcd 0644 /etc/default/etcd
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
    } | put "flocker flocker-fence" 0600 "$file"
}

start_services() {
    systemctl daemon-reload
    enable docker.service # the driver's package has enabled its units
    systemctl start flocker-pool.service flocker.socket
    systemctl restart flocker-firewall.service # it reads the nodes' addresses; that takes no time
    # Neither is waited for here: etcd is ready with its second member, which may come later, and
    # whether the driver works is for ready.sh to find out.
    if is_member; then
        enable etcd.service
        start_or_restart etcd --no-block
        end_joining
    fi
    start_or_restart flocker-fence
    start_or_restart flocker --no-block
    start_or_restart docker
}

# etcd reads the cluster's first members no more; whoever restores the records does, and needs them all.
end_joining() {
    grep -q '^ETCD_INITIAL_CLUSTER_STATE=existing' /etc/default/etcd || return 0
    give_vote "$has_joined"
    etcd_settings "$(first_members)" existing | put "" 0644 /etc/default/etcd
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
    local archives=("$source"/build/box/images/*.tar) archive described id tag
    if [ ! -e "${archives[0]}" ]; then
        echo "$name: no images in build/box/images; on the host, run python3 -m box images" >&2
        exit 1
    fi
    for archive in "${archives[@]}"; do
        described=$(tar --occurrence=1 -xOf "$archive" manifest.json)
        id=$(sed -E 's/.*"Config": "([0-9a-f]+)\.json".*/\1/' <<<"$described")
        tag=$(sed -E 's/.*"RepoTags": \["([^"]+)"\].*/\1/' <<<"$described")
        if docker image inspect "sha256:$id" >/dev/null 2>&1; then continue; fi
        if is_of_others "$tag"; then
            echo "$name: $tag is not the demo's image, and stays"
            continue
        fi
        docker load --quiet --input "$archive"
    done
}

# Somebody has pulled an image of that name. Loaded over it, ours would be what their app starts next.
is_of_others() { # TAG
    local labels
    labels=$(docker image inspect --format '{{json .Config.Labels}}' "$1" 2>/dev/null) || return 1
    [[ $labels != *'"volume-plugins-demo.inputs"'* ]]
}

main
