/* format_option.c: see format_option.h. */
#include "harness/cli/format_option.h"

#include <assert.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/report/text.h"

#define COLUMNS_MAX 12

const char *const cli_format_choices[] = {[CLI_FORMAT_TABLE] = "table",
                                          [CLI_FORMAT_JSON] = "json",
                                          [CLI_FORMAT_MARKDOWN] = "markdown",
                                          NULL};

enum cli_format cli_format_from_name(const char *name)
{
    int format = CLI_FORMAT_TABLE;
    for (int i = 0; cli_format_choices[i]; i++)
        if (strcmp(cli_format_choices[i], name) == 0)
            format = i;
    return (enum cli_format)format;
}

enum status cli_print_json(FILE *file, const cJSON *json, struct err *err)
{
    char *printed = json ? cJSON_Print(json) : NULL;
    struct text text = {0};
    if (printed)
        text_add_json(&text, printed);
    bool ok = printed && !text.failed;
    if (ok)
        fprintf(file, "%s\n", text_get(&text));
    cJSON_free(printed);
    text_free(&text);
    return ok ? ST_OK : err_set(err, ST_NO_MEMORY, NULL, "out of memory for the JSON text");
}

void cli_print_markdown(FILE *file, const char *text)
{
    struct text escaped = {0};
    text_add_markdown(&escaped, text);
    fputs(text_get(&escaped), file);
    text_free(&escaped);
}

void cli_print_markdown_row(FILE *file, const char *const *cells, size_t count)
{
    fputc('|', file);
    for (size_t i = 0; i < count; i++) {
        fputc(' ', file);
        cli_print_markdown(file, cells[i] ? cells[i] : "");
        fputs(" |", file);
    }
    fputc('\n', file);
}

void cli_print_markdown_head(FILE *file, const char *const *titles, size_t count)
{
    cli_print_markdown_row(file, titles, count);
    fputc('|', file);
    for (size_t i = 0; i < count; i++)
        fputs(":--|", file);
    fputc('\n', file);
}

/* `number` is where a number's digits go. */
static const char *cell_text(const cJSON *value, char *number, size_t size)
{
    if (cJSON_IsString(value))
        return value->valuestring;
    if (cJSON_IsBool(value))
        return cJSON_IsTrue(value) ? "yes" : "no";
    if (cJSON_IsRaw(value)) /* a whole number, by json_add_u64 */
        return value->valuestring;
    if (!cJSON_IsNumber(value))
        return "";
    snprintf(number, size, "%.10g", value->valuedouble);
    return number;
}

void cli_print_markdown_table(FILE *file, const cJSON *rows,
                              const struct cli_markdown_column *columns, size_t count)
{
    const char *cells[COLUMNS_MAX] = {NULL};
    char numbers[COLUMNS_MAX][32];
    const cJSON *row;
    assert(count <= COLUMNS_MAX);
    for (size_t i = 0; i < count; i++)
        cells[i] = columns[i].title;
    cli_print_markdown_head(file, cells, count);
    cJSON_ArrayForEach (row, rows) {
        for (size_t i = 0; i < count; i++)
            cells[i] = cell_text(json_get(row, columns[i].member), numbers[i], sizeof numbers[i]);
        cli_print_markdown_row(file, cells, count);
    }
}
