# SPDX-License-Identifier: MIT
"""One connection to the broker: MQTT over mutual TLS, with a deadline for everything."""
