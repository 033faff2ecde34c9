/* gpu_hardware.c: noticing an NVIDIA GPU without CUDA, from the files Linux shows.
 *
 * Called where something must be said about a GPU that cannot be used: by gpu_none.c, `list` and
 * `doctor`. Part of both builds.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/gpu/gpu.h"

/* The first line of a file below `root`; false when it cannot be read. */
static bool line_read(char *line, int size, const char *root, const char *path)
{
    char full[PATH_MAX];
    int length = snprintf(full, sizeof full, "%s%s", root, path);
    if (length < 0 || (size_t)length >= sizeof full)
        return false;
    FILE *file = fopen(full, "re");
    if (!file)
        return false;
    bool read = fgets(line, size, file) != NULL;
    fclose(file);
    if (read)
        line[strcspn(line, "\n")] = '\0';
    return read;
}

/* A display controller or 3D accelerator (class 0x03…) of vendor 0x10de: NVIDIA also makes bridges,
 * sound and USB functions. */
static bool pci_is_gpu(const char *root, const char *device)
{
    char path[PATH_MAX], text[32];
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/vendor", device);
    if (!line_read(text, sizeof text, root, path) || strcmp(text, "0x10de") != 0)
        return false;
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/class", device);
    return line_read(text, sizeof text, root, path) && strncmp(text, "0x03", 4) == 0;
}

/* The name of the first entry of root/folder that begins with `prefix` and, where `accept` is
 * given, that it accepts. */
static bool entry_find(const char *root, const char *folder, const char *prefix,
                       bool (*accept)(const char *root, const char *name), char *name, size_t size)
{
    char full[PATH_MAX];
    snprintf(full, sizeof full, "%s%s", root, folder);
    DIR *entries = opendir(full);
    if (!entries)
        return false;
    bool found = false;
    struct dirent *entry;
    while (!found && (entry = readdir(entries)) != NULL) {
        found = entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
                (!accept || accept(root, entry->d_name));
        if (found)
            snprintf(name, size, "%s", entry->d_name);
    }
    closedir(entries);
    return found;
}

bool gpu_hardware_find(const char *root, char *what, size_t size)
{
    char name[NAME_MAX + 1], line[160];
    if (entry_find(root, "/sys/bus/pci/devices", "", pci_is_gpu, name, sizeof name))
        snprintf(what, size, "NVIDIA GPU at PCI address %s", name);
    else if (line_read(line, sizeof line, root, "/etc/nv_tegra_release"))
        snprintf(what, size, "NVIDIA Jetson, %s", line);
    else if (line_read(line, sizeof line, root, "/proc/driver/nvidia/version"))
        snprintf(what, size, "NVIDIA driver, %s", line);
    else if (entry_find(root, "/dev", "nvidia", NULL, name, sizeof name) ||
             entry_find(root, "/dev", "nvhost-", NULL, name, sizeof name))
        snprintf(what, size, "NVIDIA device /dev/%s", name);
    else
        return false;
    return true;
}
