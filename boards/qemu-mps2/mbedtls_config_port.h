// mbedTLS on the Python heap, with certificates' dates checked.
#ifndef QEMU_MPS2_MBEDTLS_CONFIG_PORT_H
#define QEMU_MPS2_MBEDTLS_CONFIG_PORT_H

#include <time.h>
time_t mbedtls_port_time(time_t *out);
#define MBEDTLS_PLATFORM_TIME_MACRO mbedtls_port_time
#define MBEDTLS_PLATFORM_MS_TIME_ALT mbedtls_ms_time
#define MBEDTLS_PLATFORM_GMTIME_R_ALT
#define MBEDTLS_ECP_NIST_OPTIM
#define MICROPY_MBEDTLS_CONFIG_BARE_METAL (1)

#include "extmod/mbedtls/mbedtls_config_common.h"

#endif
