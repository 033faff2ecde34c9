/* claim.c: see claim.h. */
#include "harness/scenario/claim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/measure/intervals.h"
#include "harness/scenario/members.h"
#include "harness/scenario/schema.h"
#include "harness/scenario/suggest.h"

#define CLAIM_NS_MAX 1e15
#define CLAIM_BYTES_MAX 1000000000000000

/* In the order of claim_keys. */
enum claim_member {
    CLAIM_ID,
    CLAIM_SAYS,
    CLAIM_WHERE,
    CLAIM_FIGURE,
    CLAIM_LOW_US,
    CLAIM_LOW_NS,
    CLAIM_HIGH_US,
    CLAIM_HIGH_NS,
    CLAIM_KNOWN,
    CLAIM_MACHINE,
    CLAIM_MOVED_BYTES,
    CLAIM_MEMBERS
};
const char *const claim_keys[CLAIM_MEMBERS + 1] = {"id",     "says",    "where",       "figure",
                                                   "low_us", "low_ns",  "high_us",     "high_ns",
                                                   "known",  "machine", "moved_bytes", NULL};

static enum status read_text(const cJSON *const *members, enum claim_member member,
                             const struct place *claim_place, char **text, struct err *err)
{
    struct place at = PLACE_KEY(claim_place, claim_keys[member]);
    if (!members[member])
        return place_fail(claim_place, err,
                          "a claim has id, says, where, figure, low_us, high_us and known",
                          "the claim has no \"%s\"", claim_keys[member]);
    if (member == CLAIM_ID)
        return members_name(members[member], &at, text, err);
    enum status status = members_text(members[member], &at, text, err);
    if (status == ST_OK && **text == '\0')
        status =
            place_fail(&at, err, "say it in a sentence; the report quotes it", "the text is empty");
    return status;
}

/* One end of the range, in microseconds or in nanoseconds. */
static enum status read_end(const cJSON *const *members, enum claim_member us,
                            const struct place *claim_place, uint64_t *value_ns, struct err *err)
{
    enum claim_member ns = us + 1;
    enum claim_member given = members[ns] ? ns : us;
    struct place at = PLACE_KEY(claim_place, claim_keys[given]);
    char hint[120];
    snprintf(hint, sizeof hint, "write \"%s\" or \"%s\", a number", claim_keys[us], claim_keys[ns]);
    if (members[us] && members[ns])
        return place_fail(&at, err, "keep one of them", "\"%s\" is given too", claim_keys[us]);
    if (!members[given])
        return place_fail(claim_place, err, hint, "the claim has no \"%s\"", claim_keys[us]);
    if (!cJSON_IsNumber(members[given]))
        return place_fail(&at, err, hint, "must be a number, not %s", axis_kind_of(members[given]));
    double number_ns = members[given]->valuedouble * (given == us ? 1000.0 : 1.0);
    if (!(number_ns >= 0.0 && number_ns <= CLAIM_NS_MAX) ||
        fabs(number_ns - nearbyint(number_ns)) > 1e-6)
        return place_fail(&at, err, "a time that is not negative, of whole nanoseconds",
                          "the time cannot be %.15g", members[given]->valuedouble);
    *value_ns = (uint64_t)nearbyint(number_ns);
    return ST_OK;
}

static enum status check_figure(const char *figure, const struct place *claim_place,
                                struct err *err)
{
    static const char *const quantiles[] = {"mean", "p50", "p90", "p99"};
    struct place at = PLACE_KEY(claim_place, "figure");
    char interval[SUGGEST_SHOWN_BYTES];
    char shown[SUGGEST_SHOWN_BYTES];
    char hint[160];
    size_t length = strcspn(figure, ".");
    if (strcmp(figure, "period.mean") == 0)
        return ST_OK; /* no interval of a frame: what a frame takes when many follow each other */
    snprintf(interval, sizeof interval, "%.*s",
             (int)(length < sizeof interval ? length : sizeof interval - 1), figure);
    if (interval_find(interval) == INTERVAL_COUNT) {
        struct suggest suggest = SUGGEST_START(interval);
        for (size_t i = 0; i < INTERVAL_COUNT; i++)
            suggest_offer(&suggest, interval_definitions[i].name);
        snprintf(hint, sizeof hint, "%s%s%s`handoff help intervals` shows all",
                 suggest.nearest ? "did you mean \"" : "", suggest.nearest ? suggest.nearest : "",
                 suggest.nearest ? "\"? " : "");
        return place_fail(&at, err, hint, "unknown interval \"%s\"",
                          suggest_show(interval, shown, sizeof shown));
    }
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        if (figure[length] == '.' && strcmp(figure + length + 1, quantiles[i]) == 0)
            return ST_OK;
    snprintf(hint, sizeof hint, "write \"%s.mean\", \"%s.p50\", \"%s.p90\" or \"%s.p99\"", interval,
             interval, interval, interval);
    return place_fail(&at, err, hint, "\"%s\" names no figure of interval %s",
                      suggest_show(figure, shown, sizeof shown), interval);
}

/* A text that may be left out: "" then. */
static enum status read_optional(const cJSON *const *members, enum claim_member member,
                                 const struct place *place, char **text, struct err *err)
{
    if (members[member])
        return read_text(members, member, place, text, err);
    *text = strdup("");
    return *text ? ST_OK : err_set(err, ST_NO_MEMORY, NULL, "out of memory");
}

static enum status read_bytes(const cJSON *json, const struct place *place, uint64_t *bytes,
                              struct err *err)
{
    struct place at = PLACE_KEY(place, claim_keys[CLAIM_MOVED_BYTES]);
    int64_t value = 0;
    if (json && !json_whole(json, 1, CLAIM_BYTES_MAX, &value))
        return place_fail(&at, err,
                          "all bytes that are read and written in the time the claim gives: of a "
                          "frame written once and read once twice its size",
                          "must be a whole number from 1 to %lld", (long long)CLAIM_BYTES_MAX);
    *bytes = (uint64_t)value;
    return ST_OK;
}

static enum status fill_claim(const cJSON *const *members, const struct place *place,
                              struct claim *claim, struct err *err)
{
    enum status status = read_text(members, CLAIM_ID, place, &claim->id, err);
    if (status == ST_OK)
        status = read_text(members, CLAIM_SAYS, place, &claim->says, err);
    if (status == ST_OK)
        status = read_text(members, CLAIM_WHERE, place, &claim->where, err);
    if (status == ST_OK)
        status = read_text(members, CLAIM_FIGURE, place, &claim->figure, err);
    if (status == ST_OK)
        status = check_figure(claim->figure, place, err);
    if (status == ST_OK)
        status = read_end(members, CLAIM_LOW_US, place, &claim->low_ns, err);
    if (status == ST_OK)
        status = read_end(members, CLAIM_HIGH_US, place, &claim->high_ns, err);
    if (status == ST_OK && claim->low_ns > claim->high_ns)
        status = place_fail(place, err, "swap them; a single number stands in both",
                            "the range is empty: its low end is above its high end");
    if (status == ST_OK)
        status = read_optional(members, CLAIM_KNOWN, place, &claim->known, err);
    if (status == ST_OK)
        status = read_optional(members, CLAIM_MACHINE, place, &claim->machine, err);
    if (status == ST_OK)
        status = read_bytes(members[CLAIM_MOVED_BYTES], place, &claim->moved_bytes, err);
    return status;
}

enum status claim_read(const cJSON *json, const struct place *place, struct claim **claim,
                       struct err *err)
{
    const cJSON *members[CLAIM_MEMBERS];
    enum status status = members_sort(json, place, claim_keys, CLAIM_MEMBERS, members, err);
    if (status != ST_OK)
        return status;
    struct claim *read = calloc(1, sizeof *read);
    if (!read)
        return err_set(err, ST_NO_MEMORY, NULL, "out of memory");
    status = fill_claim(members, place, read, err);
    if (status != ST_OK) {
        claim_free(read);
        return status;
    }
    *claim = read;
    return ST_OK;
}

void claim_free(struct claim *claim)
{
    if (!claim)
        return;
    free(claim->id);
    free(claim->says);
    free(claim->where);
    free(claim->figure);
    free(claim->known);
    free(claim->machine);
    free(claim);
}
