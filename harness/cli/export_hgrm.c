/* export_hgrm.c: HdrHistogram's percentile distribution, as its plotters and gnuplot read it.
 * Called by cmd_export.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "harness/base/json.h"
#include "harness/cli/export.h"
#include "harness/measure/hdr.h"

static enum status hgrm_add(const struct export_part *part, struct text *out, struct err *err)
{
    struct hdr *hdr = NULL;
    char *data = NULL;
    size_t bytes = 0;
    enum status status = hdr_decode(json_get_string(part->json, "histogram", ""), &hdr, err);
    if (status != ST_OK)
        return err_context(err, "%s of %s", interval_name(part->interval),
                           export_cell_id(part->cell));
    FILE *file = open_memstream(&data, &bytes);
    if (!file) {
        status = err_set(err, ST_NO_MEMORY, NULL, "export: out of memory");
        goto undo_hdr;
    }
    double infinite = json_get_number(part->json, "infinite", 0);
    hdr_write_hgrm(hdr, infinite > 0 && infinite < 1e18 ? (uint64_t)infinite : 0, file);
    if (fclose(file) != 0)
        status = err_set(err, ST_NO_MEMORY, NULL, "export: out of memory");
    else
        text_add_bytes(out, data, bytes);
    free(data);
undo_hdr:
    hdr_free(hdr);
    return status;
}

enum status export_hgrm(const struct export_options *options, const cJSON *result, struct text *out,
                        struct err *err)
{
    struct export_part part;
    struct export_walk walk = export_walk_start(result);
    size_t count = 0;
    while (export_next_part(options, &walk, &part))
        count++;
    /* A comment line in front would keep some readers from finding the header of a single table. */
    walk = export_walk_start(result);
    while (export_next_part(options, &walk, &part)) {
        if (count > 1) {
            text_add(out, "# cell ");
            text_add_plain(out, export_cell_id(part.cell));
            text_addf(out, " interval %s\n", interval_name(part.interval));
        }
        enum status status = hgrm_add(&part, out, err);
        if (status != ST_OK)
            return status;
        if (count > 1)
            text_add(out, "\n");
    }
    return ST_OK;
}
