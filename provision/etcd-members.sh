# Sourced by node.sh: makes this node's etcd a member, of a cluster that is only being made or of one
# that has records already.
#
# The caller has set:
#   name address members   its arguments
#   certs                  the folder of this node's certificates
#   member_certs           the one of its etcd
#   etcd_data              where its member keeps the records
#   quorum_seconds         how long to wait until the others agree
# shellcheck shell=bash disable=SC2154

is_member() { [[ ",$members" == *",$name="* ]]; }

# This node's own member first, if it has one.
etcd_endpoints() {
    tr , '\n' <<<"$members" | sort --stable --key=1,1 -t= |
        awk -F= -v name="$name" '{ url = "https://" $2 ":2379" }
            $1 == name { own = url; next } { others = others "," url }
            END { list = own others; sub(/^,/, "", list); print list }'
}

# Which member is asked, chance decides; one without a vote refuses, so another is to be asked.
etcdctl_elsewhere() {
    local others complaints tries=20 status
    others=$(etcd_endpoints | tr , '\n' | grep -vF "https://$address:" | paste -sd,)
    [ -n "$others" ] || return 1
    complaints=$(mktemp)
    while true; do
        status=0
        etcdctl --endpoints="$others" --dial-timeout=1s --command-timeout=2s \
            --cacert="$certs/etcd/ca.pem" --cert="$certs/etcd/cert.pem" \
            --key="$certs/etcd/key.pem" "$@" 2>"$complaints" || status=$?
        # Etcd's client also complains of what it then did elsewhere.
        if [ "$status" = 0 ] || [ $((tries -= 1)) = 0 ]; then break; fi
        grep --quiet "not supported for learner" "$complaints" || break
    done
    cat "$complaints" >&2
    rm "$complaints"
    return "$status"
}

# The members that a new cluster begins with, as etcd's settings name them.
first_members() { sed -E 's|=([^,]+)|=https://\1:2380|g' <<<"$members"; }

# The members that etcd has now, this one included: it starts a member only if that names neither
# more nor fewer. One that was added and never started has not told its name yet.
present_members() {
    local list deadline=$((SECONDS + quorum_seconds))
    until list=$(etcdctl_elsewhere member list 2>&1); do
        if [ "$SECONDS" -ge "$deadline" ]; then
            echo "$name: etcd does not list its members; try again." \
                "It said: $(tail -n 1 <<<"$list")" >&2
            exit 1
        fi
        sleep 1
    done
    awk -F', ' -v first="$(first_members)" '
        BEGIN { for (i = split(first, pairs, ","); i; i--) { split(pairs[i], p, "="); names[p[2]] = p[1] } }
        /^[0-9a-f]+, / { print ($3 == "" ? names[$4] : $3) "=" $4 }' <<<"$list" | paste -sd,
}

etcd_settings() { # CLUSTER STATE
    cat <<EOF
ETCD_NAME=$name
ETCD_DATA_DIR=$etcd_data
ETCD_LISTEN_CLIENT_URLS=https://$address:2379,https://127.0.0.1:2379
ETCD_ADVERTISE_CLIENT_URLS=https://$address:2379
ETCD_LISTEN_PEER_URLS=https://$address:2380
ETCD_INITIAL_ADVERTISE_PEER_URLS=https://$address:2380
ETCD_INITIAL_CLUSTER=$1
ETCD_INITIAL_CLUSTER_STATE=$2
ETCD_CLIENT_CERT_AUTH=true
ETCD_TRUSTED_CA_FILE=$member_certs/ca.pem
ETCD_CERT_FILE=$member_certs/cert.pem
ETCD_KEY_FILE=$member_certs/key.pem
ETCD_CLIENT_CRL_FILE=$member_certs/refused.crl
ETCD_PEER_CLIENT_CERT_AUTH=true
ETCD_PEER_TRUSTED_CA_FILE=$member_certs/ca.pem
ETCD_PEER_CERT_FILE=$member_certs/cert.pem
ETCD_PEER_KEY_FILE=$member_certs/key.pem
ETCD_PEER_CRL_FILE=$member_certs/refused.crl
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
# That has no vote until it runs and has the records: so mounts go on, whatever becomes of this node.
#
# Members change one at a time and only while all are healthy, so a change may be refused for some
# seconds; without an answer it may have been made all the same. What is listed then tells. Nobody goes
# on without knowing: this node would make a cluster of its own.
#
# Exit status 1 when this is no such node: the cluster is only being made.
join_etcd() {
    local peer_url=https://$address:2380 list known said deadline=$((SECONDS + quorum_seconds))
    while true; do
        if list=$(etcdctl_elsewhere member list 2>&1); then
            # id, status, name, peer URL, client URLs: those come once it has been started
            known=$(awk -F', ' -v name="$name" -v url="$peer_url" \
                '$3 == name || $4 == url { print $1, $2, $5 == "" ? "new" : "old"; exit }' <<<"$list")
            case $known in
                *" unstarted new") return ;; # added, but provisioning did not get further
                *" started old") said=$(change_members remove "${known%% *}") && continue ;;
                ?*) return 1 ;; # known since the cluster was made, and never started
                *) said=$(change_members add "$name" --learner --peer-urls="$peer_url") && return ;;
            esac
        else
            cluster_was_made || return 1
            said=$list
        fi
        [ "$SECONDS" -lt "$deadline" ] || break
        sleep 1
    done
    echo "$name: etcd does not take this node in; start the other nodes' etcd, then try again." \
        "It said: $(tail -n 1 <<<"$said")" >&2
    exit 1
}

change_members() { etcdctl_elsewhere --command-timeout=20s member "$@" 2>&1; }

# A member that has told where its clients find it was part of a quorum; etcd refuses to make a second
# cluster then. The port for peers answers this also while there is no quorum.
cluster_was_made() {
    local url said
    while read -r url; do
        # A proxy of this node's is no way to another one.
        said=$(curl --silent --http1.1 --max-time 5 --noproxy '*' --cacert "$certs/etcd/ca.pem" \
            --cert "$certs/etcd/cert.pem" --key "$certs/etcd/key.pem" "${url%:2379}:2380/members") || continue
        if [[ $said == *'"clientURLs":['* ]]; then return; fi
    done < <(etcd_endpoints | tr , '\n' | grep -vF "https://$address:")
    return 1
}

# Gives this node's member its vote if it has none yet; etcd agrees when it has caught up. To be called
# when it was started. Without an answer of the others nothing is missing, unless it has just joined.
give_vote() { # yes|no: whether it has just joined
    local list id said deadline=$((SECONDS + quorum_seconds))
    while true; do
        if list=$(etcdctl_elsewhere member list 2>&1); then
            id=$(awk -F', ' -v url="https://$address:2380" '$4 == url && $6 == "true" { print $1 }' <<<"$list")
            [ -n "$id" ] || return 0
            said=$(etcdctl_elsewhere member promote "$id" 2>&1) && return
        elif [ "$1" = no ]; then
            return 0
        else
            said=$list
        fi
        [ "$SECONDS" -lt "$deadline" ] || break
        sleep 1
    done
    echo "$name: etcd does not give this member a vote; see journalctl -u etcd, then try again." \
        "It said: $(tail -n 1 <<<"$said")" >&2
    exit 1
}
