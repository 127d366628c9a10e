"""Collectors: one module a platform, the same two methods (see linux.Collector)."""
