"""What the device code takes from MicroPython's own module, for runs on CPython."""


def const(value):
    return value
