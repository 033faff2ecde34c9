/* privileges_clocks.c: whether this process may fix the CPUs' frequency. See privileges.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/scenario/privileges.h"

#define CPU_FOLDER "/sys/devices/system/cpu"
#define FREQUENCY_FOLDER CPU_FOLDER "/cpufreq"

/* Opens it for writing. With `optional`, it need not be there. */
static enum status try_file(const char *root, const char *path, bool optional, struct err *err)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    int fd = open(full, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        return ST_OK;
    }
    if (errno == ENOENT && optional)
        return ST_OK;
    if (errno == EROFS)
        return err_set(err, ST_UNAVAILABLE, "in a container: `docker run --privileged ...`",
                       "%s is read-only here", path);
    return err_set(err, ST_UNAVAILABLE, "run as root: `sudo handoff run ...`",
                   "write access to %s is needed: %s", path, strerror(errno));
}

/* A governor that follows no load: else the clock may fall however its range is set. */
static bool has_performance(const char *root, const char *policy)
{
    char path[512], text[512] = "";
    snprintf(path, sizeof path, "%s" FREQUENCY_FOLDER "/%s/scaling_available_governors", root,
             policy);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool read = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    return read && strstr(text, "performance");
}

static enum status try_policy(const char *root, const char *policy, struct err *err)
{
    static const char *const files[] = {"scaling_governor", "scaling_min_freq"};
    char path[384];
    if (!has_performance(root, policy))
        return err_set(err, ST_UNAVAILABLE, "use clocks as_found",
                       "the kernel has no frequency governor \"performance\" for %.64s", policy);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, FREQUENCY_FOLDER "/%.255s/%s", policy, files[i]);
        enum status status = try_file(root, path, false, err);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

enum status privileges_try_clocks_at(const char *root, struct err *err)
{
    char path[512];
    size_t count = 0;
    snprintf(path, sizeof path, "%s" FREQUENCY_FOLDER, root);
    DIR *folder = opendir(path);
    enum status status = ST_OK;
    for (struct dirent *entry; folder && status == ST_OK && (entry = readdir(folder));)
        if (strncmp(entry->d_name, "policy", 6) == 0) {
            status = try_policy(root, entry->d_name, err);
            count++;
        }
    if (folder)
        closedir(folder);
    if (status == ST_OK && count == 0)
        return err_set(err, ST_UNAVAILABLE, "use clocks as_found",
                       "this system does not let the CPUs' frequency be set (no " FREQUENCY_FOLDER
                       "/policy*; virtual machines have none)");
    if (status == ST_OK)
        status = try_file(root, CPU_FOLDER "/intel_pstate/no_turbo", true, err);
    return status == ST_OK ? try_file(root, FREQUENCY_FOLDER "/boost", true, err) : status;
}

enum status privileges_try_clocks(struct err *err)
{
    return privileges_try_clocks_at("", err);
}
