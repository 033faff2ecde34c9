/* completion_bash.c: bash completes handoff's command line, by a script made from the tables.
 *
 * The script holds all it offers: it starts no process of ours, since a key that answers late is
 * worse than none. Called by `handoff help completion-bash`.
 */
#include "harness/cli/completion.h"

#include <string.h>

static const char head[] =
    "# bash completion for handoff, made by `handoff help completion-bash` from its options.\n"
    "# To use it: source it, or put it into /usr/share/bash-completion/completions/handoff.\n"
    "\n";

/* What lies in folders, as run_choice_find_scenario looks for it. */
static const char scenarios[] =
    "# The scenarios that `handoff run` knows by name. $1 is the program.\n"
    "_handoff_scenarios() {\n"
    "    local program file\n"
    "    program=$(type -P -- \"$1\")\n"
    "    for file in scenarios/*.json \"${program%/*}\"/../share/handoff/scenarios/*.json; do\n"
    "        file=${file##*/}\n"
    "        [[ $file == \"*.json\" || $file == schema.json ]] || echo \"${file%.json}\"\n"
    "    done\n"
    "}\n"
    "\n";

/* What the rest of the script knows of the tables is asked of the functions between. */
static const char tail[] =
    "# All words of the line up to the cursor, whatever bash thinks parts a word: of \"wait=sp\" "
    "it\n"
    "# makes three. What it replaces is only the last part, so what stands before is cut off "
    "again.\n"
    "_handoff() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} kind='' words='' before='' value axis broken i\n"
    "    local -a typed\n"
    "    read -ra typed <<< \"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && typed+=('')\n"
    "    local count=${#typed[@]}\n"
    "    local current=${typed[count - 1]}\n"
    "    COMPREPLY=()\n"
    "    if ((count <= 2)); then\n"
    "        kind=words words=$_handoff_commands\n"
    "    elif [[ $current == --*=* ]]; then\n"
    "        before=${current%%=*}=\n"
    "        _handoff_argument \"${typed[1]}\" \"${current%%=*}\"\n"
    "    else\n"
    "        _handoff_argument \"${typed[1]}\" \"${typed[count - 2]}\"\n"
    "        if [[ -z $kind && $current == -* ]]; then\n"
    "            kind=words words=$(_handoff_options \"${typed[1]}\")\n"
    "        elif [[ -z $kind ]]; then\n"
    "            _handoff_operand \"${typed[1]}\"\n"
    "        fi\n"
    "    fi\n"
    "    value=${current#\"$before\"}\n"
    "    case $kind in\n"
    "        filter)\n"
    "            if [[ $value == *=* ]]; then\n"
    "                axis=${value%%=*}\n"
    "                before+=$axis= value=${value#*=} words=$(_handoff_values \"$axis\")\n"
    "                [[ $value == *,* ]] && before+=${value%,*}, value=${value##*,}\n"
    "            else\n"
    "                words=$_handoff_axes\n"
    "            fi ;;\n"
    "        list)\n"
    "            [[ $value == *,* ]] && before+=${value%,*}, value=${value##*,} ;;\n"
    "    esac\n"
    "    case $kind in\n"
    "        words | list | filter)\n"
    "            mapfile -t COMPREPLY < <(compgen -P \"$before\" -W \"$words\" -- \"$value\")\n"
    "            [[ ${COMPREPLY[0]} == *[=:] ]] && compopt -o nospace 2> /dev/null ;;\n"
    "        scenario)\n"
    "            compopt -o filenames 2> /dev/null\n"
    "            mapfile -t COMPREPLY < <(compgen -d -- \"$value\"\n"
    "                compgen -f -X '!*.json' -- \"$value\"\n"
    "                compgen -W \"$(_handoff_scenarios \"${typed[0]}\")\" -- \"$value\") ;;\n"
    "        folder)\n"
    "            compopt -o filenames 2> /dev/null\n"
    "            mapfile -t COMPREPLY < <(compgen -d -- \"$value\") ;;\n"
    "        file)\n"
    "            compopt -o filenames 2> /dev/null\n"
    "            mapfile -t COMPREPLY < <(compgen -f -- \"$value\") ;;\n"
    "    esac\n"
    "    [[ $kind == words || $kind == list || $kind == filter ]] || return 0\n"
    "    broken=''\n"
    "    [[ $COMP_WORDBREAKS == *=* && $current == *=* ]] && broken=${current%\"${current##*=}\"}\n"
    "    [[ $COMP_WORDBREAKS == *:* && ${current#\"$broken\"} == *:* ]] &&\n"
    "        broken=${current%\"${current##*:}\"}\n"
    "    for i in \"${!COMPREPLY[@]}\"; do\n"
    "        COMPREPLY[i]=${COMPREPLY[i]#\"$broken\"}\n"
    "    done\n"
    "}\n"
    "complete -F _handoff handoff\n";

static const char *const kinds[] = {
    [CLI_FLAG] = "",     [CLI_TEXT] = "text",     [CLI_NUMBER] = "text",
    [CLI_FILE] = "file", [CLI_FOLDER] = "folder", [CLI_CHOICE] = "words",
    [CLI_LIST] = "list", [CLI_FILTER] = "filter", [CLI_SCENARIO] = "scenario"};

static void print_kind(FILE *file, enum cli_argument kind, const char *const *choices)
{
    fprintf(file, "kind=%s", kinds[kind]);
    if (choices) {
        fputs(" words='", file);
        completion_print_words(file, choices);
        fputc('\'', file);
    }
    fputs(" ;;\n", file);
}

static void print_option_name(FILE *file, const struct cli_command *command,
                              const struct cli_option *option)
{
    fprintf(file, "--%s ", option->name);
    if (option->short_key)
        fprintf(file, "-%c ", option->short_key);
}

static void print_option_kind(FILE *file, const struct cli_command *command,
                              const struct cli_option *option)
{
    if (option->kind == CLI_FLAG)
        return;
    fprintf(file, "        %s/--%s", command->name, option->name);
    if (option->short_key)
        fprintf(file, " | %s/-%c", command->name, option->short_key);
    fputs(") ", file);
    print_kind(file, option->kind, option->choices);
}

static void print_commands(FILE *file)
{
    fputs("_handoff_commands='", file);
    for (size_t i = 0; i < cli_command_count; i++)
        fprintf(file, "%s ", cli_commands[i]->name);
    fputs("--help --version'\n\n_handoff_options() {\n    case $1 in\n", file);
    for (size_t i = 0; i < cli_command_count; i++) {
        fprintf(file, "        %s) echo '", cli_commands[i]->name);
        completion_each_option(cli_commands[i], print_option_name, file);
        fputs("' ;;\n", file);
    }
    fputs("    esac\n}\n\n# Of the option $2 of the command $1; nothing for a flag.\n"
          "_handoff_argument() {\n    case $1/$2 in\n",
          file);
    for (size_t i = 0; i < cli_command_count; i++)
        completion_each_option(cli_commands[i], print_option_kind, file);
    fputs("    esac\n}\n\n_handoff_operand() {\n    case $1 in\n", file);
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = cli_commands[i];
        if (command->operand_count == 0)
            continue;
        fprintf(file, "        %s) ", command->name);
        print_kind(file, command->operands[0].kind, command->operands[0].choices);
    }
    fputs("    esac\n}\n\n", file);
}

static void print_axes(FILE *file)
{
    fputs("_handoff_axes='", file);
    for (int i = 0; i < AXIS_COUNT; i++)
        fprintf(file, "%s%s=", i ? " " : "", axis_table[i].name);
    fputs("'\n\n_handoff_values() {\n    case $1 in\n", file);
    for (int i = 0; i < AXIS_COUNT; i++) {
        fprintf(file, "        %s) echo '", axis_table[i].name);
        completion_print_values(file, (enum axis_index)i);
        fputs("' ;;\n", file);
    }
    fputs("    esac\n}\n\n", file);
}

void cli_print_completion_bash(FILE *file)
{
    fputs(head, file);
    print_commands(file);
    print_axes(file);
    fputs(scenarios, file);
    fputs(tail, file);
}
