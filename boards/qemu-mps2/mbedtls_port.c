// What mbedTLS asks of a platform: entropy, the time and a calendar.
#include <string.h>

#include "py/mphal.h"
#include "shared/timeutils/timeutils.h"
#include "mbedtls/entropy.h"
#include "mbedtls/platform_time.h"
#include "mbedtls/platform_util.h"

int mbedtls_hardware_poll(void *data, unsigned char *out, size_t n, size_t *done) {
    (void)data;
    random_bytes(out, n);
    *done = n;
    return 0;
}

time_t mbedtls_port_time(time_t *out) {
    time_t now = wall_seconds();
    if (out != NULL) {
        *out = now;
    }
    return now;
}

mbedtls_ms_time_t mbedtls_ms_time(void) {
    return mp_hal_ticks_ms();
}

struct tm *mbedtls_platform_gmtime_r(const mbedtls_time_t *seconds, struct tm *out) {
    timeutils_struct_time_t t;
    timeutils_seconds_since_epoch_to_struct_time(*seconds, &t);
    memset(out, 0, sizeof(*out));
    out->tm_year = t.tm_year - 1900;
    out->tm_mon = t.tm_mon - 1;
    out->tm_mday = t.tm_mday;
    out->tm_hour = t.tm_hour;
    out->tm_min = t.tm_min;
    out->tm_sec = t.tm_sec;
    return out;
}
