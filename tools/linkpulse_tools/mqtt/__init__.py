"""Brokers, and a client of one."""
