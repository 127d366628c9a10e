# ruff: noqa: F821
include("$(BOARD_DIR)/manifest.py")
include("../common/agent.py", lwip=True, counting=True, radio=True)
