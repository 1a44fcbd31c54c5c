"""Processes, threads, the log, atomic files and shipped resources."""
