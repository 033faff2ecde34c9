/* build_info.h: which build of handoff this is. Goes into every result and into --version.
 */
#ifndef HANDOFF_RUN_BUILD_INFO_H
#define HANDOFF_RUN_BUILD_INFO_H

struct build_info {
    const char *version; /* "0.1.0" */
    const char *commit;  /* short git commit when it was built, "+" when the tree differed; or "" */
    const char *compiler;   /* "gcc 12.2.0" */
    const char *build_type; /* "Release" */
};

struct build_info build_info(void);

#endif
