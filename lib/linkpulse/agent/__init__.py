# SPDX-License-Identifier: MIT
"""The agent: it decides what to do next, and there are three ways to run it."""
