# ruff: noqa: F821
# The agent frozen in, with umqtt.simple. `make firmware` compiles both into these folders first: rows.py as viper code.
include("manifest.py")
freeze_mpy("$(PORT_DIR)/../../build/firmware/agent/lib")
freeze_mpy("$(PORT_DIR)/../../build/firmware/agent/vendor")
include("../common/names.py")
