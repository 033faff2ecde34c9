/* test_report_validity.c: the validity file and the claims on the page, and what hostile files do
 * to it (nothing). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/report/page.h"
#include "tests/support/random_input.h"
#include "tests/support/result_fixture.h"

#define TOOL "handoff 0.1.0 abc1234"

static cJSON *experiment_make(const char *title, const char *passed)
{
    char text[600];
    snprintf(text, sizeof text,
             "{\"id\": \"x\", \"title\": \"%s\", \"expectation\": \"expected %u\", \"columns\": "
             "[\"a\", \"b\"], \"rows\": [[\"1 µs\", \"%u\"], [\"2\", \"yes\"]], \"finding\": "
             "\"found\", \"passed\": %s}",
             title, (unsigned)random_below(1000), (unsigned)random_below(1000), passed);
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    return json;
}

/* A file as experiments.py writes it: one that passed, one that tells, and maybe one that
 * failed. */
static cJSON *file_make(bool failed)
{
    cJSON *file = cJSON_Parse("{\"schema\": \"handoff-validity\", \"schema_version\": 1, \"tool\": "
                              "\"" TOOL " (gcc 12.2.0, Release)\", \"utc\": "
                              "\"2026-11-21T10:00:00Z\", \"experiments\": []}");
    cJSON *experiments = json_get(file, "experiments");
    json_append(experiments, experiment_make("A known delay comes back", "true"));
    json_append(experiments, experiment_make("What measuring costs", "null"));
    if (failed)
        json_append(experiments, experiment_make("A consumer that stands still", "false"));
    return file;
}

static cJSON *result_make(const char *commit)
{
    struct fixture_cell cell = {
        .transport = "shm", .wait = "spin", .frame = "64x64x3", .pacing = "rate:60"};
    const char *compare = "";
    fixture_spread(&cell, 10, 600000, 0.01, 1);
    cJSON *result = fixture_result(&cell, 1, &compare, 1), *tool = cJSON_CreateObject();
    json_add_string(tool, "version", "0.1.0");
    json_add_string(tool, "commit", commit);
    json_add(result, "tool", tool);
    json_add(cJSON_GetArrayItem(json_get(result, "blocks"), 0), "claim",
             cJSON_Parse("{\"id\": \"c\", \"says\": \"<b>said</b>\", \"where\": \"'w'\", "
                         "\"figure\": \"handoff.mean\", \"low_ns\": 500000, \"high_ns\": 900000, "
                         "\"known\": \"<i>k\", \"machine\": \"<Jetson>\"}"));
    return result;
}

static void render(const cJSON *result, const struct validity *validity, struct text *page,
                   struct text *summary)
{
    struct report *report;
    struct conclusions *conclusions;
    struct claims *claims;
    assert_int_equal(report_open(result, &report, NULL), ST_OK);
    assert_int_equal(conclusions_make(report, &conclusions, NULL), ST_OK);
    assert_int_equal(claims_make(report, &claims, NULL), ST_OK);
    struct page_part part = {
        .report = report, .conclusions = conclusions, .claims = claims, .validity = validity};
    page_write(page, &part, 1, NULL);
    markdown_write(summary, &part, 1, NULL);
    claims_free(claims);
    conclusions_free(conclusions);
    report_free(report);
}

static void pages_of(cJSON *file, const char *commit, struct text *page, struct text *summary)
{
    struct validity *validity;
    cJSON *result = result_make(commit);
    assert_int_equal(validity_open(file, "v.json", &validity, NULL), ST_OK);
    render(result, validity, page, summary);
    validity_free(validity);
    cJSON_Delete(result);
}

static void a_page_says_whether_figures_may_be_believed(void **state)
{
    struct text page = {0}, summary = {0};
    pages_of(file_make(false), "abc1234", &page, &summary);
    assert_non_null(strstr(text_get(&page), "May these figures be believed?"));
    assert_non_null(
        strstr(text_get(&page), "The one experiment that judges came out as expected."));
    assert_non_null(strstr(text_get(&page), "As expected."));
    assert_null(strstr(text_get(&page), "did not come out"));
    assert_null(strstr(text_get(&page), "another build"));
    assert_null(strstr(text_get(&page), "Before you rely on it"));
    assert_non_null(strstr(text_get(&page), "<th scope=\"row\">1&#160;µs</th>"));
    assert_non_null(strstr(text_get(&summary), "May these figures be believed?"));
    text_free(&page);
    text_free(&summary);
}

static void a_failed_experiment_is_a_notice_at_the_top(void **state)
{
    struct text page = {0}, summary = {0};
    pages_of(file_make(true), "abc1234", &page, &summary);
    const char *notice = strstr(text_get(&page), "did not come out as expected: <a");
    assert_non_null(strstr(text_get(&page), "Before you rely on it"));
    assert_non_null(notice);
    assert_true(notice < strstr(text_get(&page), "May these figures be believed?"));
    assert_non_null(strstr(text_get(&page), "1 of 2 experiments did not come out"));
    assert_non_null(strstr(text_get(&page), "Not as expected."));
    assert_non_null(strstr(text_get(&summary), "⚠️ **A consumer that stands still**"));
    text_free(&page);
    text_free(&summary);
}

static void experiments_of_another_build_are_noted(void **state)
{
    /* One that begins alike, one that does not. */
    static const char *const commits[] = {"abc123", "abc1234+", "def5678", ""};
    for (size_t i = 0; i < sizeof commits / sizeof commits[0]; i++) {
        struct text page = {0}, summary = {0};
        pages_of(file_make(false), commits[i], &page, &summary);
        bool expected = commits[i][0] != '\0'; /* a result that does not know its commit */
        assert_int_equal(strstr(text_get(&page), "The result is of another build") != NULL,
                         expected);
        assert_int_equal(strstr(text_get(&page), "ran with another build") != NULL, expected);
        text_free(&page);
        text_free(&summary);
    }
}

static void claims_stand_on_the_page_escaped(void **state)
{
    struct text page = {0}, summary = {0};
    cJSON *result = result_make("abc1234");
    render(result, NULL, &page, &summary);
    assert_non_null(strstr(text_get(&page), "What is said, and what was measured"));
    assert_non_null(strstr(text_get(&page), "Of 1 claim, 1 holds here."));
    assert_non_null(strstr(text_get(&page), "&lt;b&gt;said&lt;/b&gt;"));
    assert_non_null(
        strstr(text_get(&page), "measured on another machine than it speaks of: &lt;Jetson&gt;"));
    assert_null(strstr(text_get(&page), "<b>said"));
    assert_null(strstr(text_get(&page), "<i>k"));
    assert_null(strstr(text_get(&page), "May these figures be believed?"));
    assert_non_null(strstr(text_get(&summary), "**holds here**"));
    assert_null(strstr(text_get(&summary), "<b>said"));
    assert_non_null(strstr(text_get(&summary), ", mean of handoff | "));
    assert_non_null(strstr(text_get(&summary), " Known about it: &lt;i&gt;k"));
    cJSON_Delete(result);
    text_free(&page);
    text_free(&summary);
}

/* ---- Hostile files --------------------------------------------------------------------------- */

static cJSON *hostile_value(void)
{
    static char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    const char *const texts[] = {"<script>alert(1)</script>",
                                 "\"><img src=x onerror=alert(1)>",
                                 "\033[2J",
                                 "",
                                 "\xff\xfe",
                                 "%n%s%s",
                                 "{{body}}",
                                 longest};
    switch (random_below(6)) {
    case 0:
        return cJSON_CreateNull();
    case 1:
        return cJSON_CreateArray();
    case 2:
        return cJSON_CreateObject();
    case 3:
        return cJSON_CreateNumber(random_below(2) ? -1 : 1e308);
    case 4:
        return cJSON_CreateBool(random_below(2));
    default:
        return cJSON_CreateString(texts[random_below(sizeof texts / sizeof texts[0])]);
    }
}

/* Replaces, removes or repeats something below `node`. */
static void mutate(cJSON *node)
{
    int count = cJSON_GetArraySize(node);
    if (count == 0)
        return; /* nothing below */
    int index = (int)random_below((unsigned)count);
    cJSON *child = cJSON_GetArrayItem(node, index);
    if (cJSON_GetArraySize(child) > 0 && random_below(4)) {
        mutate(child);
    } else if (cJSON_IsString(child) && random_below(4)) {
        const char *words = random_below(2) ? "<script>alert(1)</script>"
                                            : "\"><img src=x onerror=alert(1)>\033[2J";
        if (cJSON_IsArray(node)) {
            cJSON_ReplaceItemInArray(node, index, cJSON_CreateString(words));
            return;
        }
        char name[64];
        snprintf(name, sizeof name, "%s", child->string);
        cJSON_ReplaceItemInObjectCaseSensitive(node, name, cJSON_CreateString(words));
    } else if (random_below(5) == 0) {
        cJSON_DeleteItemFromArray(node, index);
    } else if (cJSON_IsArray(node) && random_below(3) == 0) {
        for (int i = 0; i < 300; i++)
            json_append(node, cJSON_Duplicate(child, 1));
    } else if (cJSON_IsArray(node)) {
        cJSON_ReplaceItemInArray(node, index, hostile_value());
    } else {
        char name[64];
        snprintf(name, sizeof name, "%s", child->string);
        cJSON_ReplaceItemInObjectCaseSensitive(node, name, hostile_value());
    }
}

static void mutated_files_are_refused_or_harmless(void **state)
{
    cJSON *result = result_make("abc1234");
    int accepted = 0, refused = 0;
    for (int round = 0; round < 1500; round++) {
        struct validity *validity = NULL;
        struct err err = {0};
        cJSON *file = file_make(random_below(2));
        /* Words above all, so that about half of the files come through to the page. */
        cJSON *experiments = json_get(file, "experiments");
        mutate(random_below(5) ? experiments : file);
        if (random_below(4) == 0)
            mutate(file);
        if (validity_open(file, "v.json", &validity, &err) != ST_OK) {
            assert_int_equal(err.status, ST_INVALID);
            assert_true(strncmp(err.what, "v.json: ", 8) == 0 && err.hint[0]);
            refused++;
            continue;
        }
        struct text page = {0}, summary = {0};
        render(result, validity, &page, &summary);
        assert_null(strstr(text_get(&page), "<script>"));
        assert_null(strstr(text_get(&page), "<img src=x"));
        assert_null(strchr(text_get(&page), '\033'));
        assert_null(strstr(text_get(&summary), "<script>"));
        text_free(&page);
        text_free(&summary);
        validity_free(validity);
        accepted++;
    }
    assert_true(accepted > 50 && refused > 50);
    cJSON_Delete(result);
}

/* Every limit of validity.h. */
static void what_is_too_much_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *member, *json, *says;
    } cases[] = {
        {"schema", "\"handoff-result\"", "schema: this is not"},
        {"schema_version", "2", "schema_version: 2 is newer"},
        {"schema_version", "1.5", "schema_version: must be"},
        {"tool", "7", "tool: must be text"},
        {"experiments", "[]", "experiments: must be a list of 1 to 64"},
        {"experiments", "{}", "experiments: must be a list"},
    };
    static const struct {
        const char *member, *json, *says;
    } inner[] = {
        {"title", "null", "experiments[0].title: must be text"},
        {"passed", "\"yes\"", "experiments[0].passed: must be true, false or null"},
        {"passed", "1", "experiments[0].passed: must be true, false or null"},
        {"columns", "[]", "experiments[0].columns: must be a list of 1 to 16"},
        {"columns", "[\"a\"]", "experiments[0].rows[0]: has 2 texts where there are 1 columns"},
        {"rows", "[[\"a\", 2]]", "experiments[0].rows[0][1]: must be text"},
        {"rows", "7", "experiments[0].rows: must be a list of at most 256"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0] + sizeof inner / sizeof inner[0]; i++) {
        size_t count = sizeof cases / sizeof cases[0];
        cJSON *file = file_make(false);
        cJSON *object = i < count ? file : cJSON_GetArrayItem(json_get(file, "experiments"), 0);
        const char *member = i < count ? cases[i].member : inner[i - count].member;
        const char *json = i < count ? cases[i].json : inner[i - count].json;
        const char *says = i < count ? cases[i].says : inner[i - count].says;
        struct validity *validity = NULL;
        struct err err = {0};
        cJSON_ReplaceItemInObjectCaseSensitive(object, member, cJSON_Parse(json));
        assert_int_equal(validity_open(file, "v.json", &validity, &err), ST_INVALID);
        if (!strstr(err.what, says))
            fail_msg("\"%s\" is not in: %s", says, err.what);
    }
}

static void assert_refused(cJSON *file, const char *says)
{
    struct validity *validity = NULL;
    struct err err = {0};
    assert_int_equal(validity_open(file, "v.json", &validity, &err), ST_INVALID);
    if (!strstr(err.what, says))
        fail_msg("\"%s\" is not in: %s", says, err.what);
}

/* One more of everything than there may be; as many as there may be are fine. */
static void sizes_are_bounded(void **state)
{
    static const int counts[] = {VALIDITY_ROWS_MAX, VALIDITY_ROWS_MAX + 1};
    for (int i = 0; i < 2; i++) {
        cJSON *file = file_make(false);
        cJSON *rows = json_get(cJSON_GetArrayItem(json_get(file, "experiments"), 0), "rows");
        while (cJSON_GetArraySize(rows) < counts[i])
            json_append(rows, cJSON_Duplicate(cJSON_GetArrayItem(rows, 0), 1));
        struct validity *validity = NULL;
        if (i) {
            assert_refused(file, "rows: must be a list of at most 256 rows");
        } else {
            assert_int_equal(validity_open(file, "v.json", &validity, NULL), ST_OK);
            validity_free(validity);
        }
    }
    cJSON *file = file_make(false), *experiments = json_get(file, "experiments");
    while (cJSON_GetArraySize(experiments) <= VALIDITY_EXPERIMENTS_MAX)
        json_append(experiments, experiment_make("again", "true"));
    assert_refused(file, "experiments: must be a list of 1 to 64");
    char *words = calloc(4002, 1);
    memset(words, 'x', 4001);
    file = file_make(false);
    cJSON_ReplaceItemInObjectCaseSensitive(cJSON_GetArrayItem(json_get(file, "experiments"), 1),
                                           "finding", cJSON_CreateString(words));
    assert_refused(file, "experiments[1].finding: longer than 4000 bytes");
    free(words);
}

static void a_file_beside_the_result_never_costs_the_report(void **state)
{
    char folder[] = "/tmp/handoff-validity-XXXXXX", path[128];
    struct validity *validity = (struct validity *)1;
    struct text page = {0}, summary = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/validity.json", folder);
    assert_int_equal(validity_find(folder, &validity, NULL), ST_OK);
    assert_null(validity);
    FILE *out = fopen(path, "w");
    fputs("{\"schema\": \"<script>\"", out);
    fclose(out);
    assert_int_equal(validity_find(folder, &validity, NULL), ST_OK);
    assert_true(validity && validity->problem[0] && !validity->json);
    cJSON *result = result_make("abc1234");
    render(result, validity, &page, &summary);
    assert_non_null(strstr(text_get(&page), "The validity file beside the result cannot be used"));
    assert_non_null(strstr(text_get(&summary), "cannot be used"));
    text_free(&page);
    text_free(&summary);
    validity_free(validity);
    cJSON_Delete(result);
    struct err err = {0};
    assert_int_not_equal(validity_read(path, &validity, &err), ST_OK); /* when it was named */
    assert_true(err.what[0]);
    /* Larger than any that was written. */
    assert_int_equal(truncate(path, (off_t)VALIDITY_FILE_BYTES_MAX + 1), 0);
    assert_int_not_equal(validity_read(path, &validity, &err), ST_OK);
    cJSON *file = file_make(true);
    assert_int_equal(json_write_file(path, file, true, NULL), ST_OK);
    cJSON_Delete(file);
    assert_int_equal(validity_find(folder, &validity, NULL), ST_OK);
    assert_true(validity && validity->failed == 1 && validity->passed == 1 &&
                validity->telling == 1);
    validity_free(validity);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_says_whether_figures_may_be_believed),
        cmocka_unit_test(a_failed_experiment_is_a_notice_at_the_top),
        cmocka_unit_test(experiments_of_another_build_are_noted),
        cmocka_unit_test(claims_stand_on_the_page_escaped),
        cmocka_unit_test(mutated_files_are_refused_or_harmless),
        cmocka_unit_test(what_is_too_much_is_refused_with_its_place),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(a_file_beside_the_result_never_costs_the_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
