# ruff: noqa: F821
# linkpulse in a firmware's manifest: include("/path/to/linkpulse/manifest.py"), or from a checkout in a folder of that
# name add_library("linkpulse", "/path/to/linkpulse") and require("linkpulse"). Options: boards/common/agent.py.
metadata(
    version="0.1.0",
    description="A lean AWS IoT Device Defender agent: network counters and socket tables over mutual TLS MQTT",
    license="MIT",
)
options.defaults(lwip=True, counting=True, radio=True, linux=False)
include(
    "boards/common/agent.py",
    lwip=options.lwip,
    counting=options.counting,
    radio=options.radio,
    linux=options.linux,
)
