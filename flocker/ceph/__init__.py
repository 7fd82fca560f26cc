"""CephFS's own calls, without a word about records: monitors, mounts, folders."""
