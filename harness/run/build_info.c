/* build_info.c: see build_info.h. The values come from CMake. */
#include "harness/run/build_info.h"

#include "handoff_commit.h"

#define TEXT_OF(value) #value
#define TEXT(value) TEXT_OF(value)

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " TEXT(__GNUC__) "." TEXT(__GNUC_MINOR__) "." TEXT(__GNUC_PATCHLEVEL__)
#endif

struct build_info build_info(void)
{
    return (struct build_info){
        .version = HANDOFF_VERSION,
        .commit = HANDOFF_COMMIT,
        .compiler = COMPILER,
        .build_type = HANDOFF_BUILD_TYPE,
    };
}
