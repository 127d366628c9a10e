# SPDX-License-Identifier: MIT
"""What an agent does next, and the ways to run it."""
