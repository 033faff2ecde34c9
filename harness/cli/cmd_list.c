/* cmd_list.c: `handoff list`: the transports, waits, access, kernels and axes there are, whether
 * this machine can use them, and why not. Called by main.c.
 */
#include <stdio.h>
#include <string.h>

#include "harness/cli/list_axes.h"
#include "harness/cli/list_json.h"
#include "harness/report/wrap.h"
#include "harness/run/capability.h"
#include "harness/scenario/cell.h"
#include "harness/scenario/suggest.h"

#define NAME_COLUMNS 14
#define USABLE_COLUMNS 9
#define POLICIES_COLUMNS 14
#define SLEEPS_COLUMNS 6
#define SOURCES_COLUMNS 16

typedef enum status (*probe_function)(struct err *err);

/* Name and availability, without the end of the line; fills *why when it is not available. */
static bool print_start(const char *name, probe_function probe, struct err *why)
{
    memset(why, 0, sizeof *why);
    bool usable = probe(why) == ST_OK;
    printf("%-*s  %-*s  ", NAME_COLUMNS, name, USABLE_COLUMNS, usable ? "yes" : "no");
    return usable;
}

/* The rest of the line, and more lines if it needs them; `columns`: after name and availability. */
static void print_summary(const char *summary, size_t columns)
{
    columns += NAME_COLUMNS + 2 + USABLE_COLUMNS + 2;
    wrap_print(stdout, summary, columns, columns);
}

/* A line below the entry's, or several. */
static void print_below(const char *key, const char *text)
{
    int column = printf("%*s  %s: ", NAME_COLUMNS, "", key);
    wrap_print(stdout, text, (size_t)column, NAME_COLUMNS + 4);
}

/* Why it cannot be used, if so. */
static void print_why(bool usable, const struct err *why)
{
    if (usable)
        return;
    print_below("no", why->what);
    if (why->hint[0])
        print_below("hint", why->hint);
}

/* The rest of the line, and below it the reason when there is one. */
static void print_end(const char *summary, bool usable, const struct err *why)
{
    print_summary(summary, 0);
    print_why(usable, why);
}

static void append(char *text, size_t size, const char *word)
{
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%s", used ? ", " : "", word);
}

/* A wait as a scenario writes it: "poll:<us>". */
static const char *wait_spelling(const struct wait_strategy *wait, char *text, size_t size)
{
    snprintf(text, size, "%s%s", wait->name, wait->parameter == WAIT_PARAMETER_US ? ":<us>" : "");
    return text;
}

static void list_transports(void)
{
    printf("%-*s  %-*s  %-*s  %s\n", NAME_COLUMNS, "TRANSPORT", USABLE_COLUMNS, "AVAILABLE",
           POLICIES_COLUMNS, "POLICIES", "WHAT IT IS");
    for (size_t i = 0; i < transport_registry_count; i++) {
        const struct transport *transport = transport_registry[i];
        char policies[32] = "";
        char waits[256] = "";
        char spelling[48];
        if (transport->policies & POLICY_BLOCK)
            append(policies, sizeof policies, policy_name(POLICY_BLOCK));
        if (transport->policies & POLICY_LATEST)
            append(policies, sizeof policies, policy_name(POLICY_LATEST));
        for (size_t j = 0; j < wait_registry_count; j++)
            if (cell_wait_fits(wait_registry[j], transport) &&
                (!wait_registry[j]->on_gpu || transport->slot))
                append(waits, sizeof waits,
                       wait_spelling(wait_registry[j], spelling, sizeof spelling));
        struct err why;
        bool usable = print_start(transport->name, transport->probe, &why);
        printf("%-*s  ", POLICIES_COLUMNS, policies);
        print_summary(transport->summary, POLICIES_COLUMNS + 2);
        print_below("waits", waits);
        print_why(usable, &why);
    }
}

static void print_heading(const char *what)
{
    printf("%-*s  %-*s  %s\n", NAME_COLUMNS, what, USABLE_COLUMNS, "AVAILABLE", "WHAT IT IS");
}

static void list_waits(void)
{
    printf("%-*s  %-*s  %-*s  %-*s  %s\n", NAME_COLUMNS, "WAIT", USABLE_COLUMNS, "AVAILABLE",
           SLEEPS_COLUMNS, "SLEEPS", SOURCES_COLUMNS, "WAITS FOR", "WHAT IT IS");
    for (size_t i = 0; i < wait_registry_count; i++) {
        const struct wait_strategy *wait = wait_registry[i];
        char spelling[48];
        char sources[48] = "";
        struct err why;
        if (wait->sources == (SOURCE_WORD | SOURCE_FD | SOURCE_NATIVE))
            append(sources, sizeof sources, "anything");
        else if (wait->sources & SOURCE_WORD)
            append(sources, sizeof sources, "word");
        else
            append(sources, sizeof sources, wait->sources & SOURCE_FD ? "descriptor" : "library");
        wait_spelling(wait, spelling, sizeof spelling);
        bool usable = print_start(spelling, wait->probe, &why);
        printf("%-*s  %-*s  ", SLEEPS_COLUMNS, wait->sleeps ? "yes" : "no", SOURCES_COLUMNS,
               sources);
        print_summary(wait->summary, SLEEPS_COLUMNS + 2 + SOURCES_COLUMNS + 2);
        print_below("costs", wait->cost);
        print_why(usable, &why);
    }
}

static void list_access(void)
{
    print_heading("ACCESS");
    for (size_t i = 0; i < access_registry_count; i++) {
        struct err why;
        bool usable = print_start(access_registry[i]->name, access_registry[i]->probe, &why);
        print_end(access_registry[i]->summary, usable, &why);
    }
}

static void list_kernels(void)
{
    print_heading("KERNEL");
    for (size_t i = 0; i < kernel_registry_count; i++) {
        struct err why;
        bool usable = print_start(kernel_registry[i]->name, kernel_registry[i]->probe, &why);
        print_end(kernel_registry[i]->summary, usable, &why);
    }
}

static const struct {
    const char *name;
    void (*print)(void);
} lists[] = {
    {"transports", list_transports}, {"waits", list_waits},     {"access", list_access},
    {"kernels", list_kernels},       {"axes", list_axes_print},
};
#define LIST_COUNT (sizeof lists / sizeof lists[0])

/* Finds out together what the lists are about to ask of the GPU one after the other, which takes
 * seconds where there is one. `only`: NULL for all lists. */
static void ask_gpu_together(const char *only)
{
    static const struct {
        const char *list;
        enum gpu_capability row;
    } asked[] = {
        {"transports", GPU_CAN_ipc_memory}, {"transports", GPU_CAN_vmm},
        {"transports", GPU_CAN_pool},       {"waits", GPU_CAN_stream_values},
        {"waits", GPU_CAN_resident_flag},   {"access", GPU_CAN_register_shm},
        {"access", GPU_CAN_managed_copy},   {"access", GPU_CAN_unregistered_shm},
        {"axes", GPU_CAN_ipc_event},        {"axes", GPU_CAN_mps},
    };
    bool wanted[GPU_CAPABILITY_COUNT] = {false};
    bool any = false;
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
        if (!only || strcmp(only, asked[i].list) == 0)
            any = wanted[asked[i].row] = true;
    if (any)
        (void)capability_ask(wanted);
}

static const char *const list_names[] = {"transports", "waits", "access", "kernels", "axes", NULL};
_Static_assert(sizeof list_names / sizeof list_names[0] == LIST_COUNT + 1, "a list has no name");

/* The list's index, LIST_COUNT for all of them (NULL). */
static enum status find_list(const char *name, size_t *index, struct err *err)
{
    struct suggest suggest = SUGGEST_START(name ? name : "");
    for (*index = 0; name && *index < LIST_COUNT; ++*index) {
        if (strcmp(name, lists[*index].name) == 0)
            return ST_OK;
        suggest_offer(&suggest, lists[*index].name);
    }
    *index = LIST_COUNT;
    if (!name)
        return ST_OK;
    char shown[SUGGEST_SHOWN_BYTES];
    char hint[120];
    return err_set(err, ST_INVALID,
                   suggest_hint(&suggest, "there are transports, waits, access, kernels and axes",
                                hint, sizeof hint),
                   "list: there is no list of \"%s\"", suggest_show(name, shown, sizeof shown));
}

static void print_lists(size_t only)
{
    for (size_t i = 0; i < LIST_COUNT; i++) {
        if (only != LIST_COUNT && only != i)
            continue;
        if (only == LIST_COUNT && i > 0)
            putchar('\n');
        lists[i].print();
    }
}

static enum status cmd_list(int argc, char **argv, int *exit_code, struct err *err)
{
    (void)exit_code;
    struct cli_parse parse = {.command = &command_list, .argc = argc, .argv = argv};
    enum cli_format format = CLI_FORMAT_TABLE;
    for (int key; (key = cli_next(&parse, err)) != CLI_END;) {
        if (key == CLI_BAD)
            return err->status;
        if (key == CLI_HELP) {
            cli_print_help(&command_list, stdout);
            return ST_OK;
        }
        format = key == 'j' ? CLI_FORMAT_JSON : cli_format_from_name(parse.value);
    }
    if (argc - parse.operand_index > 1)
        return err_set(err, ST_INVALID, "name one of transports, waits, access, kernels and axes",
                       "list: too many arguments");
    const char *name = argc > parse.operand_index ? argv[parse.operand_index] : NULL;
    size_t only;
    enum status status = find_list(name, &only, err);
    if (status != ST_OK)
        return status;
    ask_gpu_together(name);
    if (format != CLI_FORMAT_TABLE)
        return list_json_print(format, name, err);
    print_lists(only);
    return ST_OK;
}

static const struct cli_operand list_operands[] = {{"[WHAT]", CLI_CHOICE, list_names, NULL}};

static const struct cli_option list_options[] = {CLI_FORMAT_OPTION('F'), CLI_JSON_OPTION('j')};

static const struct cli_exit_code list_exit_codes[] = {{EXIT_CODE_OK, "fine"},
                                                       {EXIT_CODE_USAGE, "bad usage"}};

const struct cli_command command_list = {
    .name = "list",
    .synopsis = "[OPTION]... [transports|waits|access|kernels|axes]",
    .summary = "transports, waits, access, kernels or axes, and which can run here",
    .description =
        "Lists what a scenario can name, whether this machine can use it, and why not. Without an "
        "argument it lists all five. `axes` are the keys of a scenario: what can be varied.",
    .operands = list_operands,
    .operand_count = sizeof list_operands / sizeof list_operands[0],
    .options = list_options,
    .option_count = sizeof list_options / sizeof list_options[0],
    .exit_codes = list_exit_codes,
    .exit_code_count = sizeof list_exit_codes / sizeof list_exit_codes[0],
    .run = cmd_list,
};
