/* fuzz_scenario.c: libFuzzer target: any bytes are either a scenario or an error with a place and a
 * remedy. Built by tests/fuzz/CMakeLists.txt with clang; started by ctest from the seed corpus.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/scenario/scenario.h"

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_scenario(const struct scenario *scenario)
{
    REQUIRE(scenario->block_count > 0 && scenario->cell_count > 0);
    REQUIRE(scenario->cell_count <= SCENARIO_CELLS_MAX);
    for (size_t i = 0; i < scenario->block_count; i++) {
        const struct claim *claim = scenario->blocks[i].claim;
        REQUIRE(!claim || (claim->id[0] && claim->says[0] && claim->where[0] && claim->known &&
                           strchr(claim->figure, '.') && claim->low_ns <= claim->high_ns));
    }
    for (size_t i = 0; i < scenario->cell_count; i++) {
        const struct cell *cell = &scenario->cells[i];
        REQUIRE(cell->id[0] && strlen(cell->id) < CELL_ID_BYTES - 1 && !strpbrk(cell->id, " ,"));
        REQUIRE(cell->block_index < scenario->block_count);
        REQUIRE(cell->transport && cell->wait && cell->access && cell->kernel);
        REQUIRE(geometry_payload_bytes(cell->geometry) - 1 < FRAME_PAYLOAD_MAX);
        REQUIRE(cell->launches >= 1 && cell->slots >= 1);
        REQUIRE(cell->is_baseline == (strstr(cell->id, "/baseline=") != NULL));
        REQUIRE((cell->runnable == ST_OK) == (cell->reason[0] == '\0'));
        for (size_t axis = 0; axis < cell_axis_count(); axis++) {
            char text[CELL_AXIS_BYTES];
            cell_axis_format(cell, axis, text, sizeof text);
            REQUIRE(text[0] && strlen(text) < sizeof text - 1);
        }
    }
}

/* Filters get the same bytes: what a user types after --only is as little to be trusted. */
static void check_filter(struct scenario *scenario, const char *text)
{
    static const char *const axes[] = {"wait",  "placement", "pacing", "slots",
                                       "frame", "block",     "load",   "timer_slack_ns"};
    for (size_t i = 0; i < sizeof axes / sizeof axes[0]; i++) {
        struct scenario_filter filter = {.axis = axes[i], .values = text};
        struct err err = {.what = "", .hint = ""};
        size_t before = scenario->cell_count;
        enum status status = scenario_filter(scenario, &filter, 1, &err);
        REQUIRE(status == ST_OK || (status == ST_INVALID && err.what[0] && err.hint[0]));
        REQUIRE(status == ST_OK || scenario->cell_count == before);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    /* An exact copy, so that one byte read behind the end is seen. */
    char *text = malloc(size + 1);
    REQUIRE(text);
    if (size)
        memcpy(text, bytes, size);
    text[size] = '\0';
    struct scenario *scenario = NULL;
    struct err err = {.what = "", .hint = ""};
    enum status status = scenario_parse("fuzz.json", text, size, &scenario, &err);
    if (status == ST_OK) {
        check_scenario(scenario);
        check_filter(scenario, scenario->description);
        scenario_free(scenario);
    } else {
        REQUIRE(status == ST_INVALID && !scenario && err.status == ST_INVALID);
        REQUIRE(strncmp(err.what, "fuzz.json:", strlen("fuzz.json:")) == 0);
        REQUIRE(err.hint[0]);
    }
    free(text);
    return 0;
}
