// SPDX-License-Identifier: MIT
// ESP-IDF's spinlock, counted.
extern int fake_spinlock;
typedef int portMUX_TYPE;
#define portMUX_INITIALIZER_UNLOCKED 0
#define portENTER_CRITICAL_SAFE(lock) ((void)(lock), fake_spinlock++)
#define portEXIT_CRITICAL_SAFE(lock) ((void)(lock), fake_spinlock--)
