# ruff: noqa: F821
# What is frozen into the firmware. A board's own manifest goes on from here: include("$(PORT_DIR)/manifest.py").
include("$(MPY_DIR)/extmod/asyncio")
freeze("modules")
