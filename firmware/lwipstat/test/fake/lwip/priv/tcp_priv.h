#include "lwip/fake.h"
