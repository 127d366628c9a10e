# SPDX-License-Identifier: MIT
"""What a collector fills: interface counters and tables of sockets. Everything is allocated at construction."""
