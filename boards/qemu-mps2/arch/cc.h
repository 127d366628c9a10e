// The compiler, for lwIP: its defaults fit but for these two.
#define LWIP_PLATFORM_DIAG(x)
#define LWIP_PLATFORM_ASSERT(x) do { (void)(x); } while (0)
