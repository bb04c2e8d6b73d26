#include "engine/base/probe.h"

#if PROBE_IS_BUILT
#define DEFINE(name) [[gnu::section(".probes"), gnu::used, gnu::visibility("hidden")]] unsigned short trove_##name##_semaphore;
PROBES(DEFINE)

const char *probe_describe(void) { return "USDT"; }
#else
const char *probe_describe(void) { return "none, built without them"; }
#endif
