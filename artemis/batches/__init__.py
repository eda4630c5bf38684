"""A batch of scans: from a folder to rows, chunk by chunk, in one run or several joined."""
