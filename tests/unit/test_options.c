/* test_options.c: a command line against a table, and the table as help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/cli/format_option.h"
#include "harness/measure/clock_choice.h"
#include "harness/report/text.h"
#include "harness/report/wrap.h"

static const char *const colours[] = {"red", "green", "blue", NULL};
static const struct cli_option options[] = {
    {'o', "out", "DIR", CLI_FOLDER, NULL, "where", 'o'},
    {'c', "colour", "WHICH", CLI_CHOICE, colours, "how it looks", 0},
    {'p', "peer", "HOST", CLI_TEXT, NULL, "with whom", 0},
    {'t', "peer-timeout", "SECONDS", CLI_NUMBER, NULL, "how long", 0},
    {'q', "quiet", NULL, CLI_FLAG, NULL, "no progress", 'q'},
};
static const struct cli_exit_code exit_codes[] = {{0, "fine"}, {2, "bad usage"}};
static const struct cli_command tried = {
    .name = "try",
    .synopsis = "THING [OPTION]...\n--colour WHICH",
    .description = "One.\n\nTwo.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .exit_codes = exit_codes,
    .exit_code_count = sizeof exit_codes / sizeof exit_codes[0],
    .notes = "As it stands:\n  x  y",
};

/* The words of a line, walked; what came back is written down: "o=x q . a b". */
static enum status walk(const char *line, char *seen, size_t size, struct err *err)
{
    char *argv[16], copy[256];
    int argc = 0;
    snprintf(copy, sizeof copy, "try %s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    struct cli_parse parse = {.command = &tried, .argc = argc, .argv = argv};
    seen[0] = '\0';
    int key;
    while ((key = cli_next(&parse, err)) != CLI_END) {
        if (key == CLI_BAD)
            return err->status;
        const size_t used = strlen(seen);
        snprintf(seen + used, size - used, "%c%s%s ", key, parse.value ? "=" : "",
                 parse.value ? parse.value : "");
    }
    for (int i = parse.operand_index; i < argc; i++)
        snprintf(seen + strlen(seen), size - strlen(seen), "%s%s",
                 i > parse.operand_index ? "+" : "", argv[i]);
    return ST_OK;
}

static void test_walk(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"a b", "a+b"},
        {"--out x a", "o=x a"},
        {"a --out=x b -q", "o=x q a+b"},
        {"-ox -q", "o=x q "},
        {"-qo x", "q o=x "},
        {"--colour green", "c=green "},
        {"--col blue", "c=blue "}, /* the beginning of one option only */
        {"--peer h", "p=h "},      /* the beginning of another as well, but a name of its own */
        {"--peer-t 3", "t=3 "},
        {"--help a", "h a"},
        {"-h", "h "},
        {"-q -- --out", "q --out"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char seen[256];
        struct err err = {0};
        assert_int_equal(walk(cases[i][0], seen, sizeof seen, &err), ST_OK);
        assert_string_equal(seen, cases[i][1]);
    }
    (void)state;
}

static void test_refused(void **state)
{
    static const struct {
        const char *line, *what, *hint;
    } cases[] = {
        {"--outt x", "try: unknown option \"--outt\"", "did you mean \"--out\"?"},
        {"--lost", "try: unknown option \"--lost\"", "`handoff try --help`"},
        {"--pe x", "try: \"--pe\" may be any of --peer, --peer-timeout", "write it out"},
        {"-x", "try: unknown option \"-x\"", "--help"},
        {"-qx", "try: unknown option \"-x\"", "--help"},
        {"a --out", "try: --out needs a value", "--help"},
        {"-o", "try: -o needs a value", "--help"},
        {"--quiet=3", "try: --quiet takes no value", "--help"},
        {"--help=3", "try: --help takes no value", "--help"},
        {"--colour gren", "try: --colour takes red, green or blue, not \"gren\"",
         "did you mean \"green\"?"},
        {"--colour=", "try: --colour takes red, green or blue, not \"\"", "--help"},
        {"--colour gree", "not \"gree\"", "green"}, /* values are not cut short */
        {"--\033[1m", "try: unknown option \"--?[1m\"", "--help"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char seen[256];
        struct err err = {0};
        assert_int_equal(walk(cases[i].line, seen, sizeof seen, &err), ST_INVALID);
        if (!strstr(err.what, cases[i].what) || !strstr(err.hint, cases[i].hint))
            fail_msg("%s: %s / %s", cases[i].line, err.what, err.hint);
    }
    (void)state;
}

/* The words that the table lets through are those that the clocks go by. */
static void test_clocks(void **state)
{
    const struct cli_command *run = cli_command_find("run");
    for (size_t i = 0; i < run->option_count; i++)
        for (const char *const *word = run->options[i].choices;
             word && *word && strcmp(run->options[i].name, "clock") == 0; word++) {
            enum clock_request request;
            assert_true(clock_request_from_name(*word, &request));
        }
    (void)state;
}

static void help_of(const struct cli_command *command, char *text, size_t size)
{
    FILE *file = fmemopen(text, size, "w");
    assert_non_null(file);
    cli_print_help(command, file);
    assert_int_equal(fclose(file), 0);
}

static void test_help(void **state)
{
    char text[4096] = "";
    help_of(&tried, text, sizeof text);
    assert_string_equal(text, "Usage: handoff try THING [OPTION]...\n"
                              "       handoff try --colour WHICH\n"
                              "\nOne.\n\nTwo.\n\n"
                              "  -o, --out DIR           where\n"
                              "  --colour WHICH          how it looks\n"
                              "  --peer HOST             with whom\n"
                              "  --peer-timeout SECONDS  how long\n"
                              "  -q, --quiet             no progress\n"
                              "  -h, --help              show this text\n"
                              "\nAs it stands:\n  x  y\n"
                              "\nExit status: 0 fine, 2 bad usage.\n");
    (void)state;
}

/* Nothing that a table says may be wrong in a way that shows only when somebody asks for it. */
static void test_tables(void **state)
{
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = cli_commands[i];
        char text[16384] = "";
        assert_ptr_equal(cli_command_find(command->name), command);
        assert_non_null(command->run);
        assert_non_null(command->summary);
        for (size_t j = 0; j < command->option_count; j++) {
            const struct cli_option *option = &command->options[j];
            assert_int_equal(option->kind == CLI_FLAG, option->argument == NULL);
            assert_int_equal(option->kind == CLI_CHOICE || option->kind == CLI_LIST,
                             option->choices != NULL);
            assert_true(option->key != CLI_HELP && option->key != CLI_BAD && option->key != 0);
            assert_true(option->short_key != 'h' && strcmp(option->name, "help") != 0);
            assert_null(strchr(option->help, '\n'));
            for (size_t other = 0; other < j; other++) {
                assert_int_not_equal(option->key, command->options[other].key);
                assert_string_not_equal(option->name, command->options[other].name);
                assert_true(!option->short_key ||
                            option->short_key != command->options[other].short_key);
            }
        }
        help_of(command, text, sizeof text);
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
            if (text_width(line) > WRAP_COLUMNS)
                fail_msg("%s --help is too wide: %s", command->name, line);
    }
    assert_null(cli_command_find("nothing"));
    (void)state;
}

/* What roff would read as commands, or turn into other characters. */
static void test_man_page(void **state)
{
    static const struct cli_option hostile[] = {
        {'a', "a-b", "X", CLI_TEXT, NULL,
         ".so /etc/passwd is `x\\y -z` or a 'b' hand-off -1 \"c\" µs", 0},
    };
    static const struct cli_command command = {.name = "try",
                                               .synopsis = "",
                                               .summary = "",
                                               .description = "'ps of.\n\n.PP one",
                                               .options = hostile,
                                               .option_count = 1,
                                               .notes = ".rm x\n'de\n  a~b^c`d`"};
    const struct cli_command *const commands[] = {&command};
    char text[16384] = "";
    FILE *file = fmemopen(text, sizeof text, "w");
    cli_print_man_page(commands, 1, file);
    fclose(file);
    static const char *const parts[] = {
        "\n\\fB\\-\\-a\\-b\\fR \\fIX\\fR\n",
        "\n\\&.so /etc/passwd is \\fBx\\ey \\-z\\fR or a \\&'b' hand-off \\-1 \\(dqc\\(dq "
        "\\[u00B5]s\n",
        "\n\\&'ps of.\n.PP\n\\&.PP one\n",
        "\n\\&.rm x\n\\&\\(aqde\n  a\\(tib\\(hac\\(gad\\(ga\n.fi\n",
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!strstr(text, parts[i]))
            fail_msg("no %s in:\n%s", parts[i], text);
    (void)state;
}

static void test_formats(void **state)
{
    assert_int_equal(cli_format_from_name("table"), CLI_FORMAT_TABLE);
    assert_int_equal(cli_format_from_name("json"), CLI_FORMAT_JSON);
    assert_int_equal(cli_format_from_name("markdown"), CLI_FORMAT_MARKDOWN);
    char text[512] = "";
    FILE *file = fmemopen(text, sizeof text, "w");
    cli_print_markdown_head(file, (const char *const[]){"a", "b"}, 2);
    cli_print_markdown_row(file, (const char *const[]){"x|y", NULL}, 2);
    cli_print_markdown_row(file, (const char *const[]){"<b>", "1\n2"}, 2);
    fclose(file);
    assert_string_equal(text, "| a | b |\n|:--|:--|\n| x\\|y |  |\n| &lt;b&gt; | 1 2 |\n");
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_help),     cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_tables),   cmocka_unit_test(test_formats),
        cmocka_unit_test(test_man_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
