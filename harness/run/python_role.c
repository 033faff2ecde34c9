/* python_role.c: see python_role.h. */
#include "harness/run/python_role.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handoff_places.h"

#define PYTHON_LIBRARY "libhandoff_frames.so.1"
#define PYTHON_CHANGES_MAX 8

/* Executed by -c: as `-m handoff.role`, but without the current folder among the modules', with
 * nothing of the runner's input and output (what the user's function prints goes to standard
 * error), and with last words where nothing of the package can be imported. */
static const char python_begin[] =
    "import os, sys\n"
    "os.dup2(2, 1)\n"
    "os.dup2(os.open(os.devnull, os.O_RDONLY), 0)\n"
    "if sys.path and not sys.path[0]: del sys.path[0]\n"
    "try:\n"
    "    import runpy\n"
    "    runpy.run_module('handoff.role', run_name='__main__', alter_sys=True)\n"
    "except Exception as failure:\n"
    "    import json, socket, traceback\n"
    "    at = traceback.extract_tb(failure.__traceback__)[-1]\n"
    "    what = '%s: %s' % (type(failure).__name__, failure)\n"
    "    hint = 'raised in %s, line %s' % (at.filename, at.lineno)\n"
    "    words = {'type': 'error', 'status': 'system', 'what': what[:600], 'hint': hint[:350]}\n"
    "    try:\n"
    "        control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, 3)\n"
    "        control.send(json.dumps(words).encode())\n"
    "    except OSError:\n"
    "        traceback.print_exception(type(failure), failure, failure.__traceback__)\n"
    "    sys.exit(1)\n";

/* The folder of this program's file. */
static void python_own_folder(char *folder, size_t size)
{
    const ssize_t length = readlink("/proc/self/exe", folder, size - 1);
    folder[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
}

/* The file of a program on PATH; false when there is none. */
static bool python_on_path(const char *name, char *file, size_t size)
{
    const char *path = getenv("PATH");
    for (const char *folder = path ? path : ""; *folder;) {
        const size_t length = strcspn(folder, ":");
        const int bytes = snprintf(file, size, "%.*s/%s", (int)length, folder, name);
        if (length > 0 && bytes < (int)size && access(file, X_OK) == 0)
            return true;
        folder += length + (folder[length] == ':');
    }
    return false;
}

static enum status python_find_program(struct python_place *place, struct err *err)
{
    const char *named = getenv("HANDOFF_ROLE_PYTHON");
    const bool is_named = named && named[0];
    const char *name = is_named ? named : "python3";
    if (strchr(name, '/') && strlen(name) < sizeof place->program && access(name, X_OK) == 0) {
        snprintf(place->program, sizeof place->program, "%s", name);
        return ST_OK;
    }
    if (!strchr(name, '/') && python_on_path(name, place->program, sizeof place->program))
        return ST_OK;
    return err_set(err, ST_UNAVAILABLE,
                   is_named ? "HANDOFF_ROLE_PYTHON names a Python, by its path or on PATH"
                            : "apt-get install python3 python3-numpy, or name a Python in "
                              "HANDOFF_ROLE_PYTHON",
                   is_named ? "there is no program %.200s" : "there is no %s on PATH", name);
}

/* The first of the folders that holds the file; false when none does. */
static bool python_find_file(const char *const *folders, const char *file, char *found, size_t size,
                             bool whole)
{
    char path[PATH_MAX];
    for (; *folders; folders++) {
        const int bytes = snprintf(path, sizeof path, "%s/%s", *folders, file);
        if ((*folders)[0] == '\0' || bytes >= (int)sizeof path || access(path, R_OK) != 0)
            continue;
        snprintf(found, size, "%s", whole ? path : *folders);
        return true;
    }
    return false;
}

enum status python_place_find(struct python_place *place, struct err *err)
{
    char own[PATH_MAX], shared[PATH_MAX + 32], libraries[PATH_MAX + 64];
    const char *home = getenv("HANDOFF_PYTHON_HOME"), *library = getenv("HANDOFF_FRAMES_LIBRARY");
    python_own_folder(own, sizeof own);
    snprintf(shared, sizeof shared, "%s/../share/handoff/python", own);
    snprintf(libraries, sizeof libraries, "%s/%s", own, HANDOFF_LIBRARY_INSTALLED);
    const bool has_home = home && home[0], has_library = library && library[0];
    const char *const homes[] = {has_home ? home : shared, has_home ? NULL : HANDOFF_PYTHON_SOURCE,
                                 NULL};
    const char *const folders[] = {own, libraries, HANDOFF_LIBRARY_BUILT, NULL};
    enum status status = python_find_program(place, err);
    if (status != ST_OK)
        return status;
    if (!python_find_file(homes, "handoff/role/__main__.py", place->home, sizeof place->home,
                          false))
        return err_set(err, ST_UNAVAILABLE,
                       "install handoff, or name the folder that holds it in HANDOFF_PYTHON_HOME",
                       "there is no Python package handoff in %.300s", homes[0]);
    if (has_library && access(library, R_OK) == 0)
        snprintf(place->library, sizeof place->library, "%s", library);
    else if (has_library || !python_find_file(folders, PYTHON_LIBRARY, place->library,
                                              sizeof place->library, true))
        return err_set(err, ST_UNAVAILABLE,
                       "install handoff, or name the file in HANDOFF_FRAMES_LIBRARY",
                       "there is no %s beside this program%s%.200s", PYTHON_LIBRARY,
                       has_library ? ", nor is it " : "", has_library ? library : "");
    return ST_OK;
}

enum status python_start(const char *role, const char *const *changes, struct process *process,
                         struct err *err)
{
    struct python_place place;
    char path[2 * PATH_MAX + 16], library[PATH_MAX + 32];
    const char *all[PYTHON_CHANGES_MAX + 4];
    size_t count = 0;
    enum status status = python_place_find(&place, err);
    if (status != ST_OK)
        return status;
    const char *before = getenv("PYTHONPATH");
    snprintf(path, sizeof path, "PYTHONPATH=%s%s%.4000s", place.home,
             before && before[0] ? ":" : "", before ? before : "");
    snprintf(library, sizeof library, "HANDOFF_FRAMES_LIBRARY=%s", place.library);
    while (changes && changes[count] && count < PYTHON_CHANGES_MAX) {
        all[count] = changes[count];
        count++;
    }
    all[count++] = path;
    all[count++] = library;
    if (!getenv("PYTHONFAULTHANDLER"))
        all[count++] = "PYTHONFAULTHANDLER=1"; /* says where, when a module crashes */
    all[count] = NULL;
    const char *const as_role[] = {place.program, "-c",           python_begin, "--role",
                                   role,          "--control-fd", "3",          NULL};
    const char *const as_probe[] = {place.program,  "-c", python_begin, "--probe",
                                    "--control-fd", "3",  NULL};
    return process_start_program(role ? as_role : as_probe, role ? role : "Python",
                                 PROCESS_DIES_WITH_ITS_OWN, all, process, err);
}
