/* axis_numbers.c: reading the axes whose values are numbers: frame, pacing and counts; see `parse`
 * in axes.h. What a whole cell makes of its values is applicable.c's business. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/scenario/axes.h"
#include "harness/scenario/suggest.h"

/* An unsigned number of at most `most` at *text, which is moved behind it. */
bool axis_take_u32(const char **text, uint32_t most, uint32_t *value)
{
    uint64_t number = 0;
    const char *c = *text;
    for (; *c >= '0' && *c <= '9'; c++) {
        number = number * 10 + (uint64_t)(*c - '0');
        if (number > most)
            return false;
    }
    if (c == *text)
        return false;
    *text = c;
    *value = (uint32_t)number;
    return true;
}

/* A whole number from low to high; 'what' is the axis or one of its members. */
static enum status parse_whole(const struct axis *axis, const cJSON *value, uint32_t low,
                               uint32_t high, uint32_t *number, struct err *err)
{
    int64_t whole;
    if (json_whole(value, low, high, &whole)) {
        *number = (uint32_t)whole;
        return ST_OK;
    }
    if (cJSON_IsString(value) && *value->valuestring &&
        value->valuestring[strspn(value->valuestring, "0123456789")] == '\0')
        return err_set(err, ST_INVALID, "write the number without quotes",
                       "%s cannot be text; it is %s", axis->name, axis->expected);
    return axis_fail_expected(axis, value, err);
}

/* Which of the `count` keys (up to 3) each member of an object is, each exactly once. */
static enum status parse_members(const struct axis *axis, const cJSON *value,
                                 const char *const *keys, size_t count, const cJSON **members,
                                 struct err *err)
{
    char shown[SUGGEST_SHOWN_BYTES];
    char hint[200];
    snprintf(hint, sizeof hint, "%s is %s", axis->name, axis->expected);
    for (size_t i = 0; i < count; i++)
        members[i] = NULL;
    for (const cJSON *member = value->child; member; member = member->next) {
        size_t i = 0;
        while (i < count && strcmp(keys[i], member->string) != 0)
            i++;
        if (i == count)
            return err_set(err, ST_INVALID, hint, "unknown key \"%s\" in %s",
                           suggest_show(member->string, shown, sizeof shown), axis->name);
        if (members[i])
            return err_set(err, ST_INVALID, "keep one of them", "\"%s\" stands twice in %s",
                           keys[i], axis->name);
        members[i] = member;
    }
    for (size_t i = 0; i < count; i++)
        if (!members[i])
            return err_set(err, ST_INVALID, hint, "no \"%s\" in %s", keys[i], axis->name);
    return ST_OK;
}

static enum status parse_frame_object(const struct axis *axis, const cJSON *value, uint32_t *sides,
                                      struct err *err)
{
    static const char *const keys[] = {"width", "height", "channels"};
    const cJSON *members[3];
    enum status status = parse_members(axis, value, keys, 3, members, err);
    for (size_t i = 0; status == ST_OK && i < 3; i++) {
        int64_t whole;
        if (!json_whole(members[i], 1, AXIS_SIDE_PIXELS_MAX, &whole))
            return err_set(err, ST_INVALID, "width and height are in pixels, channels 1 to 4",
                           "%s of frame is not a whole number from 1 to %d", keys[i],
                           i == 2 ? 4 : AXIS_SIDE_PIXELS_MAX);
        sides[i] = (uint32_t)whole;
    }
    return status;
}

static bool parse_frame_text(const char *text, uint32_t *sides)
{
    for (size_t i = 0; i < 3; i++)
        if (!axis_take_u32(&text, AXIS_SIDE_PIXELS_MAX, &sides[i]) ||
            *text++ != (i < 2 ? 'x' : '\0'))
            return false;
    return true;
}

enum status axis_parse_frame(const struct axis *axis, const cJSON *value, struct cell *cell,
                             struct err *err)
{
    uint32_t sides[3] = {0, 0, 0};
    if (cJSON_IsObject(value)) {
        enum status status = parse_frame_object(axis, value, sides, err);
        if (status != ST_OK)
            return status;
    } else if (!cJSON_IsString(value) || !parse_frame_text(value->valuestring, sides)) {
        return axis_fail_expected(axis, value, err);
    }
    if (sides[0] == 0 || sides[1] == 0 || sides[2] == 0 || sides[2] > 4)
        return err_set(err, ST_INVALID, "width and height are at least 1, channels 1 to 4",
                       "frame cannot be %" PRIu32 "x%" PRIu32 "x%" PRIu32, sides[0], sides[1],
                       sides[2]);
    uint64_t bytes = (uint64_t)sides[0] * sides[1] * sides[2];
    if (bytes > FRAME_PAYLOAD_MAX)
        return err_set(err, ST_INVALID, "the largest is 8192x8192x4",
                       "a frame of %" PRIu64 " bytes is larger than %zu", bytes, FRAME_PAYLOAD_MAX);
    cell->geometry = (struct geometry){
        .width = (int32_t)sides[0], .height = (int32_t)sides[1], .channels = (int32_t)sides[2]};
    return ST_OK;
}

/* A decimal number and nothing else; strtod alone would take "inf", "nan" and hexadecimal. */
static bool parse_decimal(const char *text, double *number)
{
    if (!*text || text[strspn(text, "0123456789.eE+-")] != '\0')
        return false;
    char *end;
    *number = strtod(text, &end);
    return *end == '\0' && end != text;
}

/* {"response_p99_us": 500}, with or without "from" and "to". */
static enum status parse_search_object(const struct axis *axis, const cJSON *value,
                                       struct cell *cell, struct err *err)
{
    static const char *const keys[] = {"response_p99_us", "from", "to"};
    double numbers[3] = {0, AXIS_SEARCH_LOW_HZ, AXIS_SEARCH_HIGH_HZ};
    bool seen[3] = {false};
    if (!cJSON_IsObject(value))
        return err_set(err, ST_INVALID,
                       "write {\"search\": {\"response_p99_us\": 500, \"from\": 30, \"to\": 5000}}",
                       "search of %s is %s", axis->name, axis_kind_of(value));
    for (const cJSON *member = value->child; member; member = member->next) {
        size_t i = 0;
        while (i < 3 && strcmp(keys[i], member->string) != 0)
            i++;
        char shown[SUGGEST_SHOWN_BYTES];
        if (i == 3)
            return err_set(err, ST_INVALID, "search has response_p99_us, from and to",
                           "unknown key \"%s\" in search",
                           suggest_show(member->string, shown, sizeof shown));
        if (seen[i])
            return err_set(err, ST_INVALID, "keep one of them", "\"%s\" stands twice in search",
                           keys[i]);
        seen[i] = true;
        if (!cJSON_IsNumber(member))
            return err_set(err, ST_INVALID, "write a number", "%s of search is %s", keys[i],
                           axis_kind_of(member));
        numbers[i] = member->valuedouble;
    }
    if (!(numbers[0] >= 1 && numbers[0] <= AXIS_SEARCH_US_MAX) ||
        numbers[0] != (double)(uint64_t)numbers[0])
        return err_set(err, ST_INVALID, "the bound that the p99 of response must stay under",
                       "search needs response_p99_us, whole microseconds from 1 to %d",
                       AXIS_SEARCH_US_MAX);
    if (!(numbers[1] >= AXIS_RATE_HZ_MIN && numbers[1] < numbers[2] &&
          numbers[2] <= AXIS_RATE_HZ_MAX))
        return err_set(err, ST_INVALID, "frames per second; \"from\" below \"to\"",
                       "search cannot look from %.6g to %.6g frames per second", numbers[1],
                       numbers[2]);
    cell->pacing = PACING_SEARCH;
    cell->rate_hz = numbers[1];
    cell->search.response_p99_ns = (uint64_t)numbers[0] * 1000;
    cell->search.low_hz = numbers[1];
    cell->search.high_hz = numbers[2];
    return ST_OK;
}

/* "search:500us:30-5000", as results and ids write it. */
static enum status parse_search_text(const struct axis *axis, const cJSON *value, struct cell *cell,
                                     struct err *err)
{
    double us, low, high;
    int end = 0;
    const char *text = value->valuestring;
    if (text[strspn(text, "search:u-0123456789.eE+")] != '\0' ||
        sscanf(text, "search:%lfus:%lf-%lf%n", &us, &low, &high, &end) != 3 || text[end])
        return axis_fail_expected(axis, value, err);
    cJSON members[3] = {{.type = cJSON_Number, .string = (char *)(uintptr_t) "response_p99_us"},
                        {.type = cJSON_Number, .string = (char *)(uintptr_t) "from"},
                        {.type = cJSON_Number, .string = (char *)(uintptr_t) "to"}};
    const double numbers[3] = {us, low, high};
    for (int i = 0; i < 3; i++) {
        members[i].valuedouble = numbers[i];
        members[i].next = i < 2 ? &members[i + 1] : NULL;
    }
    const cJSON object = {.type = cJSON_Object, .child = members};
    return parse_search_object(axis, &object, cell, err);
}

/* {"rate": 30}, {"poisson": 30} or {"search": {…}}: exactly one of them. */
static enum status parse_pacing_object(const struct axis *axis, const cJSON *value,
                                       enum pacing *pacing, double *rate_hz, struct cell *cell,
                                       struct err *err)
{
    static const char *const names[] = {"rate", "poisson", "search"};
    static const enum pacing pacings[] = {PACING_RATE, PACING_POISSON, PACING_SEARCH};
    size_t which = 0;
    for (size_t i = 0; i < 3; i++)
        if (value->child && strcmp(value->child->string, names[i]) == 0)
            which = i;
    const cJSON *member;
    enum status status = parse_members(axis, value, &names[which], 1, &member, err);
    if (status != ST_OK)
        return status;
    *pacing = pacings[which];
    if (*pacing == PACING_SEARCH)
        return parse_search_object(axis, member, cell, err);
    if (!cJSON_IsNumber(member))
        return err_set(err, ST_INVALID, "it is a number of frames per second", "%s of pacing is %s",
                       names[which], axis_kind_of(member));
    *rate_hz = member->valuedouble;
    return ST_OK;
}

enum status axis_parse_pacing(const struct axis *axis, const cJSON *value, struct cell *cell,
                              struct err *err)
{
    const char *text = cJSON_IsString(value) ? value->valuestring : "";
    enum pacing pacing = PACING_RATE;
    double rate_hz = 0;
    if (strncmp(text, "search:", 7) == 0)
        return parse_search_text(axis, value, cell, err);
    if (cJSON_IsObject(value)) {
        enum status status = parse_pacing_object(axis, value, &pacing, &rate_hz, cell, err);
        if (status != ST_OK || pacing == PACING_SEARCH)
            return status;
    } else if (strcmp(text, "pingpong") == 0) {
        pacing = PACING_PINGPONG;
    } else if (strcmp(text, "max") == 0) {
        pacing = PACING_MAX;
    } else if (strncmp(text, "poisson:", 8) == 0 && parse_decimal(text + 8, &rate_hz)) {
        pacing = PACING_POISSON;
    } else if (strncmp(text, "rate:", 5) != 0 || !parse_decimal(text + 5, &rate_hz)) {
        return axis_fail_expected(axis, value, err);
    }
    bool paced = pacing == PACING_RATE || pacing == PACING_POISSON;
    if (paced && !(rate_hz >= AXIS_RATE_HZ_MIN && rate_hz <= AXIS_RATE_HZ_MAX))
        return err_set(err, ST_INVALID,
                       "it is frames per second; for as many as the slots allow, write \"max\"",
                       "a rate of %.6g frames per second is not from %g to %.0f", rate_hz,
                       AXIS_RATE_HZ_MIN, AXIS_RATE_HZ_MAX);
    cell->pacing = pacing;
    cell->rate_hz = rate_hz;
    memset(&cell->search, 0, sizeof cell->search);
    return ST_OK;
}

enum status axis_parse_slots(const struct axis *axis, const cJSON *value, struct cell *cell,
                             struct err *err)
{
    return parse_whole(axis, value, 1, AXIS_SLOTS_MAX, &cell->slots, err);
}

enum status axis_parse_depth(const struct axis *axis, const cJSON *value, struct cell *cell,
                             struct err *err)
{
    return parse_whole(axis, value, 1, CELL_DEPTH_MAX, &cell->depth, err);
}

enum status axis_parse_launches(const struct axis *axis, const cJSON *value, struct cell *cell,
                                struct err *err)
{
    return parse_whole(axis, value, 1, AXIS_LAUNCHES_MAX, &cell->launches, err);
}

enum status axis_parse_timer_slack_ns(const struct axis *axis, const cJSON *value,
                                      struct cell *cell, struct err *err)
{
    if (!cJSON_IsString(value) || strcmp(value->valuestring, "as_found") != 0)
        return parse_whole(axis, value, 1, AXIS_TIMER_SLACK_NS_MAX, &cell->timer_slack_ns, err);
    cell->timer_slack_ns = 0;
    return ST_OK;
}

static bool is_auto(const cJSON *value)
{
    return cJSON_IsString(value) && strcmp(value->valuestring, "auto") == 0;
}

enum status axis_parse_frames(const struct axis *axis, const cJSON *value, struct cell *cell,
                              struct err *err)
{
    if (!is_auto(value))
        return parse_whole(axis, value, 1, AXIS_FRAMES_MAX, &cell->frames, err);
    cell->frames = 0;
    return ST_OK;
}

enum status axis_parse_warmup(const struct axis *axis, const cJSON *value, struct cell *cell,
                              struct err *err)
{
    if (!is_auto(value))
        return parse_whole(axis, value, 0, AXIS_FRAMES_MAX, &cell->warmup, err);
    cell->warmup = UINT32_MAX;
    return ST_OK;
}
