/* kernel.c: which system this is: kernel, distribution, clocksource, boot parameters,
 * hypervisor. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "harness/base/json.h"
#include "harness/env/files.h"
#include "harness/env/sections.h"

/* Boot parameters that move timings. The others may name disks, hosts or keys and stay out. */
static const char *const boot_parameters[] = {
    "isolcpus",
    "nohz",
    "nohz_full",
    "rcu_nocbs",
    "rcu_nocb_poll",
    "irqaffinity",
    "skew_tick",
    "threadirqs",
    "preempt",
    "idle",
    "processor.max_cstate",
    "intel_idle.max_cstate",
    "cpuidle.off",
    "cpuidle.governor",
    "cpuidle_haltpoll.force",
    "haltpoll.guest_halt_poll_ns",
    "intel_pstate",
    "amd_pstate",
    "cpufreq.default_governor",
    "cpufreq.off",
    "mitigations",
    "nosmt",
    "maxcpus",
    "nr_cpus",
    "transparent_hugepage",
    "hugepages",
    "hugepagesz",
    "default_hugepagesz",
    "clocksource",
    "tsc",
    "nowatchdog",
    "nmi_watchdog",
    "nosoftlockup",
    "numa_balancing",
    "psi",
    "cma",
    "iommu",
    "intel_iommu",
    "pcie_aspm",
    "mce",
    "audit",
};

static bool boot_parameter_known(const char *word)
{
    size_t length = strcspn(word, "=");
    for (unsigned i = 0; i < ENV_COUNT(boot_parameters); i++)
        if (strlen(boot_parameters[i]) == length && strncmp(word, boot_parameters[i], length) == 0)
            return true;
    return false;
}

static bool boot_parameters_add(const char *root, cJSON *section)
{
    char line[4096], kept[4096] = "";
    char *rest;
    if (!env_read_text(line, sizeof line, root, "/proc/cmdline"))
        return true;
    for (char *word = strtok_r(line, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
        if (strcmp(word, "--") == 0) /* what follows is for init, not for the kernel */
            break;
        if (!boot_parameter_known(word))
            continue;
        if (kept[0] != '\0')
            strcat(kept, " ");
        strcat(kept, word); /* never longer than the line it came from */
    }
    return json_add_string(section, "boot_parameters", kept);
}

static bool release_add(const char *root, cJSON *section)
{
    struct utsname name;
    char text[256];
    if (root[0] == '\0' && uname(&name) == 0)
        return json_add_string(section, "release", name.release) &&
               json_add_string(section, "version", name.version);
    return !env_read_text(text, sizeof text, root, "/proc/sys/kernel/osrelease") ||
           json_add_string(section, "release", text);
}

/* PRETTY_NAME="…" of os-release. */
static bool distribution_add(const char *root, cJSON *section)
{
    char text[4096];
    if (!env_read_text(text, sizeof text, root, "/etc/os-release") &&
        !env_read_text(text, sizeof text, root, "/usr/lib/os-release"))
        return true;
    char *name = strstr(text, "PRETTY_NAME=");
    if (!name || (name != text && name[-1] != '\n'))
        return true;
    name += strlen("PRETTY_NAME=");
    name += *name == '"' || *name == '\'';
    name[strcspn(name, "\"'\n")] = '\0';
    return json_add_string(section, "distribution", name);
}

bool env_kernel_collect(const char *root, cJSON *section)
{
    static const struct env_fact facts[] = {
        {"clocksource", "current_clocksource", ENV_FACT_TEXT, 1},
        {"clocksources", "available_clocksource", ENV_FACT_TEXT, 1},
    };
    static const struct env_fact settings[] = {
        {"realtime", "sys/kernel/realtime", ENV_FACT_FLAG, 1},
        {"numa_balancing", "proc/sys/kernel/numa_balancing", ENV_FACT_WHOLE, 1},
        {"sched_rt_runtime_us", "proc/sys/kernel/sched_rt_runtime_us", ENV_FACT_WHOLE, 1},
    };
    return release_add(root, section) && distribution_add(root, section) &&
           env_add_facts(section, root, "/sys/devices/system/clocksource/clocksource0", facts,
                         ENV_COUNT(facts)) &&
           env_add_facts(section, root, "", settings, ENV_COUNT(settings)) &&
           boot_parameters_add(root, section);
}

/* On x86 the processor itself says that it is virtual; elsewhere the firmware's tables do. */
static bool firmware_is_virtual(const char *name)
{
    static const char *const virtual_names[] = {
        "QEMU",
        "KVM",
        "VMware",
        "VirtualBox",
        "Virtual Machine",
        "Amazon EC2",
        "Google Compute",
        "Xen",
        "Bochs",
        "OpenStack",
        "Parallels",
        "HVM domU",
        "Apple Virtualization",
    };
    for (unsigned i = 0; i < ENV_COUNT(virtual_names); i++)
        if (strstr(name, virtual_names[i]))
            return true;
    return false;
}

static bool hypervisor_add(const char *root, cJSON *section)
{
    static const char *const firmware_files[] = {"/sys/class/dmi/id/sys_vendor",
                                                 "/sys/class/dmi/id/product_name"};
    char text[256], cpuinfo[8192];
    if (env_read_text(text, sizeof text, root, "/sys/hypervisor/type") ||
        env_read_text(text, sizeof text, root, "/proc/device-tree/hypervisor/compatible"))
        return json_add_bool(section, "virtual", true) &&
               json_add_string(section, "hypervisor", text);
    for (unsigned i = 0; i < ENV_COUNT(firmware_files); i++)
        if (env_read_text(text, sizeof text, root, "%s", firmware_files[i]) &&
            firmware_is_virtual(text))
            return json_add_bool(section, "virtual", true) &&
                   json_add_string(section, "hypervisor", text);
    if (!env_read_text(cpuinfo, sizeof cpuinfo, root, "/proc/cpuinfo"))
        return true;
    char *flags = strstr(cpuinfo, "\nflags");
    if (!flags)
        return true; /* not x86: absence of evidence is all there is */
    flags[1 + strcspn(flags + 1, "\n")] = '\0';
    return json_add_bool(section, "virtual", strstr(flags, " hypervisor") != NULL);
}

bool env_virtualisation_collect(const char *root, cJSON *section)
{
    const char *container = env_exists(root, "/.dockerenv")          ? "docker"
                            : env_exists(root, "/run/.containerenv") ? "podman"
                                                                     : NULL;
    return hypervisor_add(root, section) &&
           (!container || json_add_string(section, "container", container));
}
