"""The way to etcd on a node, with the node's own certificate."""

CERTIFICATES_ON_NODE = "/etc/flocker/certs/etcd"
ETCD_ACCESS = (
    "ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 "
    f"ETCDCTL_CACERT={CERTIFICATES_ON_NODE}/ca.pem "
    f"ETCDCTL_CERT={CERTIFICATES_ON_NODE}/cert.pem "
    f"ETCDCTL_KEY={CERTIFICATES_ON_NODE}/key.pem"
)
