# SPDX-License-Identifier: MIT
# Make ports: USER_C_MODULES=<the directory above this one>
LWIPSTAT_DIR := $(USERMOD_DIR)
SRC_USERMOD_C += $(LWIPSTAT_DIR)/modlwipstat.c
SRC_USERMOD_LIB_C += $(LWIPSTAT_DIR)/sockets.c $(LWIPSTAT_DIR)/traffic.c
CFLAGS_USERMOD += -I$(LWIPSTAT_DIR)
