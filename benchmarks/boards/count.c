/* A QEMU TCG plugin that counts executed instructions.
 *
 * Whenever the program makes the system call MARK, and once at its end, it writes the count so far as one line to
 * QEMU's log. The program marks the beginning and the end of what it wants counted, so neither start-up nor anything
 * else that varies from run to run is in the difference.
 *
 * QEMU's header is in no Debian package of bookworm, so the few functions are declared here. They are the same in all
 * versions of the API; QEMU only wants to hear the right number, which PLUGIN_API gives at compile time.
 * Reference: https://www.qemu.org/docs/master/devel/tcg-plugins.html
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#define EXPORT __attribute__((visibility("default")))
#define MARK 156     /* getsid on arm64: harmless, takes no memory, and neither Python nor the runtimes call it */
#define NO_REGISTERS 0

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
typedef void (*translated)(plugin_id, struct qemu_plugin_tb *);
typedef void (*executed)(unsigned cpu, void *data);
typedef void (*called)(plugin_id, unsigned cpu, int64_t number, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                       uint64_t, uint64_t, uint64_t);
typedef void (*ended)(plugin_id, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, translated);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, executed, int flags, void *data);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, called);
void qemu_plugin_register_atexit_cb(plugin_id, ended, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_outs(const char *);

EXPORT int qemu_plugin_version = PLUGIN_API;
static uint64_t instructions;

static void write_count(void)
{
    char line[32];
    snprintf(line, sizeof line, "%" PRIu64 "\n", __atomic_load_n(&instructions, __ATOMIC_RELAXED));
    qemu_plugin_outs(line);
}

static void on_execution(unsigned cpu, void *data)
{
    (void)cpu;
    __atomic_fetch_add(&instructions, (uintptr_t)data, __ATOMIC_RELAXED); /* threads of the program share it */
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    void *length = (void *)(uintptr_t)qemu_plugin_tb_n_insns(block);
    qemu_plugin_register_vcpu_tb_exec_cb(block, on_execution, NO_REGISTERS, length);
}

static void on_system_call(plugin_id id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                           uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number == MARK)
        write_count();
}

static void on_end(plugin_id id, void *data)
{
    (void)id, (void)data;
    write_count();
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_vcpu_syscall_cb(id, on_system_call);
    qemu_plugin_register_atexit_cb(id, on_end, NULL);
    return 0;
}
