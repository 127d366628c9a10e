# SPDX-License-Identifier: MIT
"""Interface counters of boards like the Pico W, from the CYW43 radio itself.

`WLAN.ioctl(0x20c, buf)` reads the radio's variable "counters", which is not documented. The layouts are those of
Broadcom's wl_cnt_ver_10_t, and of its versions 30 and up, which are a list of type, length and value. Not yet seen on
hardware.
"""

from array import array
from ..port import const

_GET_VAR = const(0x20C)
_SIZE = const(900)
_VERSION_10 = const(10)
_VERSION_TLV = const(30)
_TLV = const(0x100)
# The offsets of txframe, txbyte, rxframe and rxbyte from the start of the values.
_TX_FRAMES, _TX_BYTES, _RX_FRAMES, _RX_BYTES = 0, 4, 60, 64
_QUESTION = b"counters\0"
_NAME = b"wlan"


class Radio:
    """The radio's counters. They have 32 bits, and start again at zero when the radio is reloaded.

    `read(values)` fills in bytes and packets, in the form of sample.Counters.put. If the radio does not answer, it
    returns False, and `reason` says why.
    """

    width = 32
    name = _NAME

    def __init__(self, wlan):
        self._wlan = wlan
        self._buf = bytearray(_SIZE)
        self.reason = None

    def read(self, values):
        buf = self._buf
        if not self._wlan.active():
            return self._failed("the radio is off")
        for i in range(_SIZE):
            buf[i] = _QUESTION[i] if i < len(_QUESTION) else 0
        try:
            self._wlan.ioctl(_GET_VAR, buf)
        except (OSError, ValueError, AttributeError, TypeError) as e:
            return self._failed("this firmware does not answer: %s" % e)
        at = self._values()
        if at < 0:
            return False
        _put(values, 0, buf, at + _RX_BYTES)
        _put(values, 2, buf, at + _RX_FRAMES)
        _put(values, 4, buf, at + _TX_BYTES)
        _put(values, 6, buf, at + _TX_FRAMES)
        self.reason = None
        return True

    def _values(self):
        # The offset of the values, or -1. The driver ignores errors, so an unchanged buffer means that there was no
        # answer.
        buf = self._buf
        version = buf[0] | buf[1] << 8
        length = buf[2] | buf[3] << 8
        if buf[0] == _QUESTION[0] and buf[1] == _QUESTION[1]:
            self._failed("this firmware's radio does not answer")
            return -1
        if version == _VERSION_10 and (length == 844 or length == 848):
            return 4
        if version >= _VERSION_TLV and version < 64 and 4 + length <= _SIZE:
            at = 4
            end = 4 + length
            while at + 4 <= end:
                kind = buf[at] | buf[at + 1] << 8
                size = buf[at + 2] | buf[at + 3] << 8
                if kind == _TLV and size >= 68 and at + 4 + size <= end:
                    return at + 4
                at += 4 + (size + 3 & ~3)
        self._failed("the radio's answer is of a form that is not known (version %d, length %d)" % (version, length))
        return -1

    def _failed(self, reason):
        self.reason = reason
        return False


def _put(values, k, buf, at):
    values[k] = buf[at] | buf[at + 1] << 8 | buf[at + 2] << 16
    values[k + 1] = buf[at + 3]


class Collector:
    """Takes the sockets from another collector, and the counters from the radio.

    If the radio does not answer, the counters come from the other collector too, and `source` says why.
    """

    counts_from_start = False

    def __init__(self, sockets, wlan):
        self._sockets = sockets
        self._radio = Radio(wlan)
        self._values = array("i", (0,) * 8)
        self._answers = self._radio.read(self._values)
        self.width = 32 if self._answers else sockets.width
        self.counts_from_start = False if self._answers else sockets.counts_from_start
        self.sockets = sockets.sockets
        self.accepted = sockets.accepted

    @property
    def source(self):
        counters = "interface counters from the radio" if self._answers else "counted at the socket layer"
        reason = " (%s)" % self._radio.reason if self._radio.reason else ""
        return "%s%s; sockets: %s" % (counters, reason, self._sockets.source)

    @property
    def skipped(self):
        return self._sockets.skipped

    def counters(self, into):
        # This is decided once, because a difference between two kinds of counters would mean nothing.
        if not self._answers:
            self._sockets.counters(into)
        elif self._radio.read(self._values):
            into.begin()
            into.put(_NAME, 0, len(_NAME), self._values)
        else:
            into.missing()
