"""The records that the nodes agree about in etcd. The door is ownership.py, behind it etcd.py."""
