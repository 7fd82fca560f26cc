#!/bin/sh
# Gives a virtual machine of our own box its name and its address. Vagrant does that by some forty
# commands over ssh, which takes an emulated machine a minute and a half.
#
#   machine.sh NAME ADDRESS
set -eu

name=$1 address=$2
interface=eth1 # the box names them so; by the first one Vagrant comes in
wait_seconds=60

echo "$name" >/etc/hostname
hostname "$name"
sed -i '/^127\.0\.1\.1[[:space:]]/d' /etc/hosts
echo "127.0.1.1 $name" >>/etc/hosts

printf '[Match]\nName=%s\n\n[Network]\nAddress=%s/24\n' "$interface" "$address" \
    >/etc/systemd/network/50-node.network
networkctl reload
# etcd and the engine listen on it.
/usr/lib/systemd/systemd-networkd-wait-online --interface="$interface" --timeout="$wait_seconds"
