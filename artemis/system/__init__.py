"""Files, locks, processes, memory and stores: what knows nothing of scans."""
