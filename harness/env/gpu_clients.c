/* gpu_clients.c: who else uses the GPU: displays, which draw whenever something moves, and others.
 *
 * A process that uses it has its device open, which /proc shows of one's own processes, and root of
 * all. Names are kept of display servers only, and of these only from a list: what else somebody
 * runs is not for a result.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/sections.h"

/* As /proc/PID/comm has them: cut after 15 characters. */
static const char *const displays[] = {
    "Xorg",   "Xwayland", "X",     "gnome-shell", "kwin_wayland",  "kwin_x11",    "weston", "sway",
    "mutter", "wayfire",  "labwc", "Hyprland",    "gdm-x-session", "plasmashell", "compiz", "xfwm4",
};

/* Keeps the device open and does nothing with it. */
static const char idle_client[] = "nvidia-persiste";

enum clients_seen { CLIENT_NONE, CLIENT_USES, CLIENT_HIDDEN };

/* Does one of its descriptors lead to a GPU's device? */
static enum clients_seen client_look(const char *root, const char *pid)
{
    char folder[ENV_PATH_BYTES], target[128];
    enum clients_seen seen = CLIENT_NONE;
    snprintf(folder, sizeof folder, "%s/proc/%s/fd", root, pid);
    DIR *fds = opendir(folder);
    if (!fds)
        return CLIENT_HIDDEN;
    for (struct dirent *entry; seen == CLIENT_NONE && (entry = readdir(fds));) {
        ssize_t length = readlinkat(dirfd(fds), entry->d_name, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        if (strncmp(target, "/dev/nvidia", 11) == 0 || strncmp(target, "/dev/dri/", 9) == 0 ||
            strncmp(target, "/dev/nvhost-", 12) == 0 || strncmp(target, "/dev/nvmap", 10) == 0)
            seen = CLIENT_USES;
    }
    closedir(fds);
    return seen;
}

static const char *display_name(const char *comm)
{
    for (size_t i = 0; i < ENV_COUNT(displays); i++)
        if (strcmp(comm, displays[i]) == 0)
            return displays[i];
    return NULL;
}

static bool name_add(cJSON *names, const char *name)
{
    const cJSON *known;
    cJSON_ArrayForEach (known, names) {
        if (strcmp(known->valuestring, name) == 0)
            return true;
    }
    return json_append(names, cJSON_CreateString(name));
}

/* The process number, or the parent's, of /proc/WHO/stat: "12 (name) S 11 …", whatever the name. 0
 * where it cannot be read. */
static long client_number(const char *root, const char *who, bool of_parent)
{
    char text[512];
    env_read_text(text, sizeof text, root, "/proc/%.10s/stat", who);
    const char *name_end = strrchr(text, ')');
    if (!of_parent || !name_end || strlen(name_end) < 4)
        return of_parent ? 0 : strtol(text, NULL, 10);
    return strtol(name_end + 4, NULL, 10);
}

/* This process or one that came of it: an MPS daemon of the run, say. */
static bool client_is_own(const char *root, const char *pid, long self)
{
    char who[16];
    snprintf(who, sizeof who, "%.10s", pid);
    for (int generations = 0; self > 0 && generations < 8; generations++) {
        const long number = strtol(who, NULL, 10);
        if (number == self || number <= 1)
            return number == self;
        snprintf(who, sizeof who, "%ld", client_number(root, who, true));
    }
    return false;
}

/* A display whose descriptors are hidden counts as one: it is there to draw. */
static bool clients_scan(const char *root, DIR *proc, cJSON *names, uint64_t *others, bool *hidden)
{
    const long self = client_number(root, "self", false);
    for (struct dirent *entry; (entry = readdir(proc));) {
        if (!isdigit((unsigned char)entry->d_name[0]) || strlen(entry->d_name) > 10 ||
            client_is_own(root, entry->d_name, self))
            continue;
        char comm[ENV_NAME_BYTES];
        enum clients_seen seen = client_look(root, entry->d_name);
        env_read_text(comm, sizeof comm, root, "/proc/%.10s/comm", entry->d_name);
        const char *display = seen == CLIENT_NONE ? NULL : display_name(comm);
        *hidden |= seen == CLIENT_HIDDEN;
        *others += seen == CLIENT_USES && !display && strcmp(comm, idle_client) != 0;
        if (display && !name_add(names, display))
            return false;
    }
    return true;
}

bool env_gpu_clients_collect(const char *root, cJSON *section)
{
    char path[ENV_PATH_BYTES];
    uint64_t others = 0;
    bool hidden = false;
    if (!json_get(section, "device_nodes")) /* no GPU: nobody can use it */
        return true;
    snprintf(path, sizeof path, "%s/proc", root);
    DIR *proc = opendir(path);
    cJSON *names = cJSON_CreateArray();
    if (!proc || !names) {
        cJSON_Delete(names);
        if (proc)
            closedir(proc);
        return proc == NULL;
    }
    bool ok = clients_scan(root, proc, names, &others, &hidden);
    closedir(proc);
    return json_add(section, "display_clients", names) && ok &&
           json_add_u64(section, "other_clients", others) &&
           json_add_bool(section, "clients_visible", !hidden);
}
