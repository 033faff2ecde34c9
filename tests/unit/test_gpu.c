/* test_gpu.c: what is said about a GPU is right in every build: with and without the toolkit, with
 * and without a driver or a device.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/gpu/gpu.h"

/* A machine's files in a folder of its own. */
static char root[64];

static int root_make(void **state)
{
    snprintf(root, sizeof root, "/tmp/handoff-test-gpu-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int root_remove(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void file_put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void pci_put(const char *address, const char *vendor, const char *class)
{
    char path[256];
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/vendor", address);
    file_put(path, vendor);
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/class", address);
    file_put(path, class);
}

static void nothing_is_found_where_nothing_is(void **state)
{
    char what[200] = "untouched";
    assert_false(gpu_hardware_find(root, what, sizeof what));
    pci_put("0000:00:01.0", "0x8086\n", "0x030000\n"); /* graphics, but not NVIDIA's */
    pci_put("0000:02:00.0", "0x10de\n", "0x040300\n"); /* NVIDIA's, but sound */
    file_put("/dev/null", "");
    assert_false(gpu_hardware_find(root, what, sizeof what));
    assert_string_equal(what, "untouched");
}

static void a_pci_device_is_found(void **state)
{
    pci_put("0000:00:01.0", "0x8086\n", "0x030000\n");
    pci_put("0000:02:00.0", "0x10de\n", "0x030200\n");
    pci_put("0000:02:00.1", "0x10de\n", "0x040300\n");
    char what[200];
    assert_true(gpu_hardware_find(root, what, sizeof what));
    assert_non_null(strstr(what, "0000:02:00.0"));
}

static void a_jetson_is_found(void **state)
{
    file_put("/etc/nv_tegra_release",
             "# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic\nx\n");
    char what[200];
    assert_true(gpu_hardware_find(root, what, sizeof what));
    assert_non_null(strstr(what, "Jetson"));
    assert_non_null(strstr(what, "R36"));
    assert_null(strchr(what, '\n'));
}

static void a_driver_alone_is_found(void **state)
{
    file_put("/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX Open Kernel Module 580.1\n");
    char what[24]; /* too small for all of it */
    assert_true(gpu_hardware_find(root, what, sizeof what));
    assert_string_equal(what, "NVIDIA driver, NVRM ver");
}

static void device_nodes_alone_are_found(void **state)
{
    char what[200];
    file_put("/dev/nvhost-gpu", "");
    assert_true(gpu_hardware_find(root, what, sizeof what));
    assert_non_null(strstr(what, "/dev/nvhost-gpu"));
    file_put("/dev/nvidia0", "");
    assert_true(gpu_hardware_find(root, what, sizeof what));
    assert_non_null(strstr(what, "/dev/nvidia0"));
}

/* Whatever the machine: either a whole answer, or a reason with a remedy and nothing else
 * changed. */
static void probe_answers_or_says_why_not(void **state)
{
    struct gpu_info info, before;
    memset(&info, 0x5a, sizeof info);
    before = info;
    struct err err = {0};
    enum status status = gpu_probe(&info, &err);
    const char *toolkit = gpu_toolkit_version();
    if (status == ST_OK) {
        printf("%d x %s, compute %d.%d, %s, runtime %d, driver %d\n", info.device_count, info.name,
               info.compute_major, info.compute_minor, info.integrated ? "integrated" : "discrete",
               info.runtime_version, info.driver_version);
        assert_non_null(toolkit);
        assert_true(info.device_count >= 1 && info.name[0] != '\0' && info.compute_major >= 3);
        assert_true(info.driver_version >= 11000);
        char version[16];
        snprintf(version, sizeof version, "%d.%d", info.runtime_version / 1000,
                 info.runtime_version % 1000 / 10);
        assert_string_equal(version, toolkit);
        char what[200];
        assert_true(gpu_hardware_present(what, sizeof what));
        printf("without CUDA: %s\n", what);
        return;
    }
    printf("%s\nhint: %s\n", err.what, err.hint);
    assert_int_equal(status, ST_UNAVAILABLE);
    assert_int_equal(err.status, ST_UNAVAILABLE);
    assert_memory_equal(&info, &before, sizeof info);
    assert_true(err.what[0] != '\0' && err.hint[0] != '\0');
    assert_int_equal(strstr(err.what, "built without the CUDA Toolkit") != NULL, toolkit == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_found_where_nothing_is, root_make, root_remove),
        cmocka_unit_test_setup_teardown(a_pci_device_is_found, root_make, root_remove),
        cmocka_unit_test_setup_teardown(a_jetson_is_found, root_make, root_remove),
        cmocka_unit_test_setup_teardown(a_driver_alone_is_found, root_make, root_remove),
        cmocka_unit_test_setup_teardown(device_nodes_alone_are_found, root_make, root_remove),
        cmocka_unit_test(probe_answers_or_says_why_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
