"""Processes, threads, the log, atomic files, digests and shipped resources."""
