/* suggest.h: "did you mean": the known name nearest to one that was mistyped, and the user's text
 * made fit to stand in a message. Used by the scenario reader, its filters and the commands.
 */
#ifndef HANDOFF_SCENARIO_SUGGEST_H
#define HANDOFF_SCENARIO_SUGGEST_H

#include <stddef.h>

/* The nearest of the names offered so far. Start from SUGGEST_START("the typed word"). */
struct suggest {
    const char *word;
    const char *nearest; /* NULL: none is near enough to be what was meant */
    size_t distance;
};
#define SUGGEST_START(text) ((struct suggest){.word = (text), .nearest = NULL, .distance = 0})

/* Considers one more name, which must outlive the use of suggest->nearest. */
void suggest_offer(struct suggest *suggest, const char *name);

/* A hint: `did you mean "NAME"? ` in front of `otherwise` when a name is near. Returns `hint`. */
const char *suggest_hint(const struct suggest *suggest, const char *otherwise, char *hint,
                         size_t size);

/* Copies the user's text into `shown` of `size` bytes: control characters become '?', what is not
 * UTF-8 too, and a long text is cut at a character and ends in "...". Returns `shown`. */
const char *suggest_show(const char *text, char *shown, size_t size);
#define SUGGEST_SHOWN_BYTES 64

#endif
