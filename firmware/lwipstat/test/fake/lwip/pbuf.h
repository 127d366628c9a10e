// SPDX-License-Identifier: MIT
#include "lwip/fake.h"
