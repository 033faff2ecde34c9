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

enum status axis_parse_pacing(const struct axis *axis, const cJSON *value, struct cell *cell,
                              struct err *err)
{
    enum pacing pacing = PACING_RATE;
    double rate_hz = 0;
    if (cJSON_IsObject(value)) {
        static const char *const keys[] = {"rate"};
        const cJSON *rate;
        enum status status = parse_members(axis, value, keys, 1, &rate, err);
        if (status != ST_OK)
            return status;
        if (!cJSON_IsNumber(rate))
            return err_set(err, ST_INVALID, "rate is a number of frames per second",
                           "rate of pacing is %s", axis_kind_of(rate));
        rate_hz = rate->valuedouble;
    } else if (cJSON_IsString(value) && strcmp(value->valuestring, "pingpong") == 0) {
        pacing = PACING_PINGPONG;
    } else if (cJSON_IsString(value) && strcmp(value->valuestring, "max") == 0) {
        pacing = PACING_MAX;
    } else if (!cJSON_IsString(value) || strncmp(value->valuestring, "rate:", 5) != 0 ||
               !parse_decimal(value->valuestring + 5, &rate_hz)) {
        return axis_fail_expected(axis, value, err);
    }
    if (pacing == PACING_RATE && !(rate_hz >= AXIS_RATE_HZ_MIN && rate_hz <= AXIS_RATE_HZ_MAX))
        return err_set(err, ST_INVALID, "for as many as the slots allow, write \"max\"",
                       "a rate of %.6g frames per second is not from %g to %.0f", rate_hz,
                       AXIS_RATE_HZ_MIN, AXIS_RATE_HZ_MAX);
    cell->pacing = pacing;
    cell->rate_hz = rate_hz;
    return ST_OK;
}

enum status axis_parse_slots(const struct axis *axis, const cJSON *value, struct cell *cell,
                             struct err *err)
{
    return parse_whole(axis, value, 1, AXIS_SLOTS_MAX, &cell->slots, err);
}

enum status axis_parse_launches(const struct axis *axis, const cJSON *value, struct cell *cell,
                                struct err *err)
{
    return parse_whole(axis, value, 1, AXIS_LAUNCHES_MAX, &cell->launches, err);
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
