/* capability_attribute.c: what the driver states of the GPU's attributes, for gpu/capability.h: asked
 * once, in a process of its own. See capability.h.
 */
#include "harness/base/json.h"
#include "harness/run/capability.h"

static struct {
    bool asked;
    bool told;
    int values[GPU_ATTRIBUTE_COUNT];
} attributes;

void capability_attributes_forget(void)
{
    attributes.asked = false;
}

static void attributes_ask(void)
{
    struct err ignored;
    cJSON *described = NULL;
    attributes.asked = true;
    attributes.told = capability_describe(&described, &ignored) == ST_OK;
    for (int i = 0; i < GPU_ATTRIBUTE_COUNT && attributes.told; i++) {
        int64_t value = INT32_MIN; /* null: the driver does not know it */
        (void)json_whole(
            json_get(json_get(described, "attributes"), gpu_attribute_name((enum gpu_attribute)i)),
            INT32_MIN, INT32_MAX, &value);
        attributes.values[i] = (int)value;
    }
    cJSON_Delete(described);
}

bool capability_attribute(enum gpu_attribute attribute, int *value)
{
    if (!attributes.asked)
        attributes_ask();
    if (attributes.told)
        *value = attributes.values[attribute];
    return attributes.told;
}
