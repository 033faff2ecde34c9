/* schema.h: what a scenario file may hold, as a JSON Schema (draft-07, which editors know best).
 *
 * Made from what the reader itself uses: the axes, the lists of keys, the gates. It takes whatever
 * the reader takes; some mistakes only the reader sees, such as an axis that stands twice. Called
 * by `handoff help scenario-schema`; scenarios/schema.json is its output.
 */
#ifndef HANDOFF_SCENARIO_SCHEMA_H
#define HANDOFF_SCENARIO_SCHEMA_H

#include <cjson/cJSON.h>

/* NULL, or with parts left out, when out of memory. The caller deletes. */
cJSON *scenario_schema(void);

/* The keys that the reader knows, NULL-terminated: of a file, a block and a claim. */
extern const char *const scenario_file_keys[];
extern const char *const scenario_block_keys[];
extern const char *const claim_keys[];

#endif
