# The interfaces as [name, "up", "down" or "unknown"]. If the settings name one, only its address.
import sys

_found = []
_address = None
if s.wifi_ssid or s.ethernet is not False:
    board.connect()
    _address = board.network.nic.ifconfig()[0]
elif sys.platform == "linux":
    import os

    for _name in sorted(os.listdir("/sys/class/net")):
        with open("/sys/class/net/" + _name + "/operstate") as _f:
            _found.append([_name, _f.read().strip()])
else:
    import network

    for _name in ("WLAN", "LAN", "WIZNET5K"):
        try:
            _kind = getattr(network, _name)
            _nic = _kind(network.STA_IF) if _name == "WLAN" else _kind()
            _found.append([_name, "up" if _nic.isconnected() else "down"])
        except AttributeError:
            pass
        except Exception:
            _found.append([_name, "unknown"])
print(json.dumps([_address, _found]))
