/*
 * tcgtrim is a plugin of QEMU that frees the memory of translated code: on SIGNAL_TRIM all translations are thrown away, and the
 * pages that they were in are given back to the kernel. What the guest runs after that is translated again.
 *
 * QEMU itself never does either: its translation cache grows up to tb-size, is emptied when it is full, and keeps its pages.
 *
 * It uses the documented interface alone (docs/devel/tcg-plugins.rst of QEMU): qemu_plugin_reset empties the cache while no virtual
 * processor runs. Declared here, since distributions package no header.
 *
 * A machine whose virtual processors take turns (thread=single) calls no plugin when it resumes, so there it does nothing.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* A real-time signal, which neither QEMU nor the C library uses; also in trim.go. */
#define SIGNAL_TRIM 40

/* The cache begins with the code by which QEMU enters and leaves translations, a few hundred bytes that are never thrown away. */
#define KEPT (64 << 10)

typedef uint64_t qemu_plugin_id_t;
typedef void (*simple_cb)(qemu_plugin_id_t id);
typedef void (*vcpu_simple_cb)(qemu_plugin_id_t id, unsigned int vcpu);
struct qemu_info_t;

extern void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t id, vcpu_simple_cb cb);
extern void qemu_plugin_register_vcpu_resume_cb(qemu_plugin_id_t id, vcpu_simple_cb cb);
extern void qemu_plugin_reset(qemu_plugin_id_t id, simple_cb cb);

#define EXPORT __attribute__((visibility("default")))

/* The version of the interface, QEMU 4.2 to 8.1. Another QEMU refuses the plugin, and hostd does without. */
EXPORT int qemu_plugin_version = 1;

static atomic_int asked;
static char *cache;
static size_t cache_size;

static void ask(int number)
{
	(void)number;
	atomic_store(&asked, 1);
}

/* find_cache: the largest mapping that can be written and executed. Done before QEMU changes its root. */
static void find_cache(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[4352]; /* a path and what is before it */

	if (!maps)
		return;
	while (fgets(line, sizeof line, maps)) {
		uint64_t from, to;
		char perms[5];

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &from, &to, perms) == 3 && !strcmp(perms, "rwxp") && to - from > cache_size) {
			cache = (char *)(uintptr_t)from;
			cache_size = to - from;
		}
	}
	fclose(maps);
}

static void listen_to_vcpus(qemu_plugin_id_t id);

/* emptied runs while no virtual processor does, and nothing is in the cache but its beginning. */
static void emptied(qemu_plugin_id_t id)
{
	if (cache_size > KEPT)
		(void)madvise(cache + KEPT, cache_size - KEPT, MADV_DONTNEED);
	/* The tables of what was translated. */
	malloc_trim(0);
	/* A reset has forgotten the callbacks. */
	listen_to_vcpus(id);
}

/* resumed: a virtual processor wakes up. It can be told to reset here, and does so before it runs any code. */
static void resumed(qemu_plugin_id_t id, unsigned int vcpu)
{
	(void)vcpu;
	if (atomic_exchange(&asked, 0))
		qemu_plugin_reset(id, emptied);
}

static void initialized(qemu_plugin_id_t id, unsigned int vcpu)
{
	(void)id;
	(void)vcpu;
	if (!cache_size)
		find_cache();
}

static void listen_to_vcpus(qemu_plugin_id_t id)
{
	qemu_plugin_register_vcpu_resume_cb(id, resumed);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv)
{
	struct sigaction action = { .sa_handler = ask, .sa_flags = SA_RESTART };

	(void)info;
	(void)argc;
	(void)argv;
	qemu_plugin_register_vcpu_init_cb(id, initialized);
	listen_to_vcpus(id);
	return sigaction(SIGNAL_TRIM, &action, NULL);
}
