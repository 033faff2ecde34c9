/* page_floor_gpu.c: what the GPU can do at best, below what the machine can. See page.h.
 */
#include <math.h>

#include "harness/base/json.h"
#include "harness/report/page.h"

/* A figure's median; false when it is not there. */
static bool p50_format(const cJSON *object, const char *name, char *text)
{
    double ns = json_get_number(json_get(object, name), "p50_ns", NAN);
    if (!isfinite(ns) || ns < 0)
        return false;
    format_ns(ns, text);
    return true;
}

static void row_add(struct text *out, const char *what, const cJSON *gpu, const char *name,
                    const char *means)
{
    char value[FIGURE_BYTES];
    if (p50_format(gpu, name, value))
        text_addf(out, "<tr><th scope=\"row\">%s</th><td>%s</td><td class=\"words\">%s</td></tr>\n",
                  what, value, means);
}

static void switch_add(struct text *out, const cJSON *gpu)
{
    char value[FIGURE_BYTES];
    double ns = json_get_number(gpu, "switch_ns", NAN);
    if (!isfinite(ns) || ns < 0)
        return;
    text_addf(out,
              "<tr><th scope=\"row\">of it, the GPU's change between them</th><td>%s</td>"
              "<td class=\"words\">contexts of two processes take turns on the GPU; what this "
              "costs is easily taken for scheduling overhead, and gpu_sharing mps is without it"
              "</td></tr>\n",
              format_ns(ns, value));
}

/* "12.4 µs" with what it says of the memory: the bytes cross it `times` times; 0: frames/s. */
static void stream_cell_add(struct text *out, const cJSON *memory, const char *name, int times)
{
    char value[FIGURE_BYTES], rate[FIGURE_BYTES];
    double bytes = json_get_number(memory, "bytes", 0);
    double ns = json_get_number(json_get(memory, name), "p50_ns", NAN);
    text_add(out, "<td>");
    if (!p50_format(memory, name, value)) {
        text_add(out, "—</td>");
        return;
    }
    text_add(out, value);
    if (times > 0 && ns > 0 && bytes > 0 && times * bytes / ns < 1e6)
        text_addf(out, "<small>%.*f GB/s</small>", times * bytes / ns < 10 ? 1 : 0,
                  times * bytes / ns);
    else if (times == 0 && ns >= 1)
        text_addf(out, "<small>%s frames/s</small>", format_count(round(1e9 / ns), rate));
    text_add(out, "</td>");
}

static void streams_add(struct text *out, const cJSON *gpu)
{
    const cJSON *memory, *list = json_get(gpu, "memory");
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0)
        return;
    text_add(out, "<p>Frames one behind the other, over more memory than the GPU's cache holds; "
                  "bytes that are read and written count twice.</p>\n"
                  "<div class=\"scroll\" tabindex=\"0\">\n<table class=\"details\">\n<thead><tr>"
                  "<th scope=\"col\" class=\"words\">bytes of a frame</th>"
                  "<th scope=\"col\">copied within device memory</th>"
                  "<th scope=\"col\">read in registered memory</th>"
                  "<th scope=\"col\">copied from registered memory</th>"
                  "<th scope=\"col\">filled, then inverted, in one process</th>"
                  "</tr></thead>\n<tbody>\n");
    cJSON_ArrayForEach (memory, list) {
        char size[FIGURE_BYTES];
        double bytes = json_get_number(memory, "bytes", NAN);
        if (!isfinite(bytes) || bytes < 0)
            continue;
        text_addf(out, "<tr><th scope=\"row\">%s</th>", format_bytes(bytes, size));
        stream_cell_add(out, memory, "device_copy", 2);
        stream_cell_add(out, memory, "mapped_read", 1);
        stream_cell_add(out, memory, "host_copy", 1);
        stream_cell_add(out, memory, "fill_invert", 0);
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody>\n</table>\n</div>\n");
}

void page_floor_gpu(struct text *out, const cJSON *floor)
{
    const cJSON *gpu = json_get(floor, "gpu");
    if (!cJSON_IsObject(gpu))
        return;
    text_add(out, "<h3>The GPU: ");
    text_add_html(out, json_get_string(gpu, "device", "unknown"));
    text_add(out, "</h3>\n<div class=\"scroll\" tabindex=\"0\">\n"
                  "<table class=\"details floor\">\n<tbody>\n");
    row_add(out, "an empty kernel, from launch to synchronized", gpu, "launch",
            "what any kernel costs that the CPU launches and waits for");
    row_add(out, "the same, until the host sees a word that it writes", gpu, "launch_word",
            "the same with sync flag");
    row_add(out, "a host word there and back, with a resident kernel", gpu, "flag",
            "the least for wait gpu_kernel");
    row_add(out, "the same with a waiting stream", gpu, "stream_values",
            "the least for wait gpu_stream");
    row_add(out, "a turn of two processes with an empty kernel each", gpu, "turn",
            "the least for a frame that both work on, where they take turns");
    switch_add(out, gpu);
    text_add(out, "</tbody>\n</table>\n</div>\n");
    streams_add(out, gpu);
}
