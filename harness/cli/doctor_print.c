/* doctor_print.c: see doctor_print.h. The verdict first, then what is wrong, worst first. */
#include "harness/cli/doctor_print.h"

#include <string.h>

#include "harness/base/json.h"
#include "harness/env/fitness.h"
#include "harness/report/text.h"
#include "harness/report/wrap.h"

#define DOCTOR_SCHEMA "handoff-doctor"
#define DOCTOR_SCHEMA_VERSION 1
#define DOCTOR_INDENT 10

/* ---- a terminal ------------------------------------------------------------------------------ */

/* A line with a word in front; text of the machine, so escaped. */
static void print_line(FILE *file, const char *word, const char *before, const char *said)
{
    struct text text = {0};
    text_add(&text, before);
    text_add_plain(&text, said);
    fprintf(file, "%-*s", DOCTOR_INDENT, word);
    wrap_print(file, text_get(&text), DOCTOR_INDENT, DOCTOR_INDENT);
    text_free(&text);
}

static void print_finding(FILE *file, const cJSON *finding)
{
    const char *effect = json_get_string(finding, "effect", "");
    const char *fix = json_get_string(finding, "fix", "");
    print_line(file, json_get_string(finding, "level", "?"), "",
               json_get_string(finding, "found", "?"));
    if (effect[0])
        print_line(file, "", "", effect);
    if (fix[0])
        print_line(file, "", "fix: ", fix);
    fputc('\n', file);
}

/* In one paragraph: what is not worth one of its own. */
static void print_brief(FILE *file, const cJSON *findings, enum fitness_level level,
                        const char *word)
{
    struct text text = {0};
    const cJSON *finding;
    cJSON_ArrayForEach (finding, findings) {
        if (fitness_level_of(finding) != level)
            continue;
        text_add(&text, text.used_bytes > 0 ? "; " : "");
        text_add_plain(&text, json_get_string(finding, "found", "?"));
    }
    if (text.used_bytes > 0) {
        fprintf(file, "%-*s", DOCTOR_INDENT, word);
        wrap_print(file, text_get(&text), DOCTOR_INDENT, DOCTOR_INDENT);
    }
    text_free(&text);
}

static void print_table(FILE *file, const cJSON *fitness)
{
    const cJSON *findings = json_get(fitness, "before"), *finding;
    struct text verdict = {0};
    text_add_plain(&verdict, json_get_string(fitness, "verdict", "?"));
    wrap_print(file, text_get(&verdict), 0, 0);
    text_free(&verdict);
    fputc('\n', file);
    for (int level = FITNESS_UNFIT; level >= FITNESS_NOTE; level--)
        cJSON_ArrayForEach (finding, findings)
            if ((int)fitness_level_of(finding) == level)
                print_finding(file, finding);
    print_brief(file, findings, FITNESS_GOOD, "good");
    print_brief(file, findings, FITNESS_UNKNOWN, "unknown");
}

/* ---- Markdown -------------------------------------------------------------------------------- */

static void print_markdown(FILE *file, const cJSON *fitness)
{
    static const char *const titles[] = {"level", "found", "effect", "fix"};
    const cJSON *findings = json_get(fitness, "before"), *finding;
    fputs("**", file);
    cli_print_markdown(file, json_get_string(fitness, "verdict", "?"));
    fputs("**\n\n", file);
    cli_print_markdown_head(file, titles, 4);
    for (int level = FITNESS_UNFIT; level >= FITNESS_GOOD; level--)
        cJSON_ArrayForEach (finding, findings) {
            const char *cells[4];
            if ((int)fitness_level_of(finding) != level)
                continue;
            for (size_t i = 0; i < 4; i++)
                cells[i] = json_get_string(finding, titles[i], "");
            cli_print_markdown_row(file, cells, 4);
        }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static enum status print_json(FILE *file, const cJSON *fitness, const cJSON *environment,
                              struct err *err)
{
    const cJSON *findings = json_get(fitness, "before");
    cJSON *json = cJSON_CreateObject();
    bool ok = json_add_string(json, "schema", DOCTOR_SCHEMA) &&
              json_add_u64(json, "schema_version", DOCTOR_SCHEMA_VERSION) &&
              json_add_bool(json, "fit", fitness_worst(findings) != FITNESS_UNFIT) &&
              json_add_string(json, "worst", json_get_string(fitness, "worst", "")) &&
              json_add_string(json, "verdict", json_get_string(fitness, "verdict", "")) &&
              json_add(json, "findings", cJSON_Duplicate(findings, 1)) &&
              json_add(json, "environment", cJSON_Duplicate(environment, 1));
    enum status status = cli_print_json(file, ok ? json : NULL, err);
    cJSON_Delete(json);
    return status;
}

enum status doctor_print(FILE *file, enum cli_format format, const cJSON *fitness,
                         const cJSON *environment, struct err *err)
{
    if (format == CLI_FORMAT_JSON)
        return print_json(file, fitness, environment, err);
    if (format == CLI_FORMAT_MARKDOWN)
        print_markdown(file, fitness);
    else
        print_table(file, fitness);
    return ST_OK;
}
