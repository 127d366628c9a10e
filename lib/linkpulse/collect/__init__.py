"""Collectors: one module a platform, the same two methods (see linux.Collector)."""


def choose(settings):
    """The collector of this platform, as the settings want it."""
    from linkpulse.collect.linux import Collector

    return Collector(settings.proc, settings.loopback, settings.include, settings.exclude)
