/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Device programs
 *
 * cgroup2 has no list of devices: a BPF program attached to the cgroup is asked each time that a
 * process in it opens a device or makes a device node. It is asked with what the process wants, all
 * of which one rule has to allow:
 *
 *     r2 = block or character         for each rule:  another kind?      next rule
 *     r3 = read | write | mknod                       more than allowed? next rule
 *     r4 = major                                      another major?     next rule
 *     r5 = minor                                      another minor?     next rule
 *                                                     return 1
 *                                     return 0
 *
 * There is no memory, no loop and no call in it. Programs of cgroups above (systemd's DevicePolicy)
 * are asked, too, and all must agree.
 */

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "isolator/device_program.h"

/* The kernel's own bound, before Linux 5.2 and for those without rights. */
#define N_INSTRUCTIONS_MAX 4096

/* Before the rules, in the longest rule, and after them. */
#define N_BEFORE 6
#define N_RULE 8
#define N_AFTER 2

typedef struct Program {
        struct bpf_insn *instructions;
        size_t n;
} Program;

static void emit(Program *p, uint8_t code, uint8_t to, uint8_t from, int16_t offset, int32_t immediate) {
        p->instructions[p->n++] = (struct bpf_insn) {
                .code = code, .dst_reg = to & 0xf, .src_reg = from & 0xf, .off = offset, .imm = immediate };
}

static void emit_load(Program *p, uint8_t to, size_t offset) {
        emit(p, BPF_LDX | BPF_MEM | BPF_W, to, BPF_REG_1, (int16_t) offset, 0);
}

static void emit_before(Program *p) {
        emit_load(p, BPF_REG_2, offsetof(struct bpf_cgroup_dev_ctx, access_type));
        emit(p, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
        emit(p, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
        emit(p, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
        emit_load(p, BPF_REG_4, offsetof(struct bpf_cgroup_dev_ctx, major));
        emit_load(p, BPF_REG_5, offsetof(struct bpf_cgroup_dev_ctx, minor));
}

static void emit_return(Program *p, bool allowed) {
        emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, allowed);
        emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* Where it jumps to is filled in at the end of the rule. */
static void emit_unless_equal(Program *p, uint8_t what, uint32_t value) {
        emit(p, BPF_JMP | BPF_JNE | BPF_K, what, 0, 0, (int32_t) value);
}

static int32_t bits_of(unsigned access) {
        return (access & DEVICE_READ ? BPF_DEVCG_ACC_READ : 0) | (access & DEVICE_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
               (access & DEVICE_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0);
}

static void emit_rule(Program *p, const DeviceRule *rule) {
        size_t begin = p->n;

        emit_unless_equal(p, BPF_REG_2, rule->block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
        emit(p, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_0, BPF_REG_3, 0, 0);
        emit(p, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_0, 0, 0, ~bits_of(rule->access));
        emit_unless_equal(p, BPF_REG_0, 0);
        if (rule->major != DEVICE_ANY)
                emit_unless_equal(p, BPF_REG_4, rule->major);
        if (rule->minor != DEVICE_ANY)
                emit_unless_equal(p, BPF_REG_5, rule->minor);
        emit_return(p, true);

        for (size_t i = begin; i < p->n; i++)
                if (p->instructions[i].code == (BPF_JMP | BPF_JNE | BPF_K))
                        p->instructions[i].off = (int16_t) (p->n - i - 1);
}

int device_program_make(const DeviceRule *rules, size_t n_rules, void **ret, size_t *ret_n) {
        Program p = {};

        if (n_rules > (N_INSTRUCTIONS_MAX - N_BEFORE - N_AFTER) / N_RULE)
                return -E2BIG;

        p.instructions = calloc(N_BEFORE + n_rules * N_RULE + N_AFTER, sizeof(*p.instructions));
        if (!p.instructions)
                return -ENOMEM;

        emit_before(&p);
        for (size_t i = 0; i < n_rules; i++)
                emit_rule(&p, &rules[i]);
        emit_return(&p, false);

        *ret = p.instructions;
        *ret_n = p.n * sizeof(*p.instructions);
        return 0;
}

bool device_program_is_sane(size_t n_bytes) {
        size_t n = n_bytes / sizeof(struct bpf_insn);

        return n_bytes % sizeof(struct bpf_insn) == 0 && n > 0 && n <= N_INSTRUCTIONS_MAX;
}

size_t device_program_n_instructions(size_t n_bytes) {
        return n_bytes / sizeof(struct bpf_insn);
}

static int bpf(int command, union bpf_attr *attr) {
        long r = syscall(SYS_bpf, command, attr, sizeof(*attr));

        return r < 0 ? -errno : (int) r;
}

int device_program_load(const void *program, size_t n_bytes) {
        union bpf_attr attr;

        memset(&attr, 0, sizeof(attr));
        attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
        attr.insns = (uint64_t) (uintptr_t) program;
        attr.insn_cnt = (uint32_t) device_program_n_instructions(n_bytes);
        /* Of no consequence: nothing is called that asks for one. */
        attr.license = (uint64_t) (uintptr_t) "Apache-2.0";
        return bpf(BPF_PROG_LOAD, &attr);
}

int device_program_attach(int program_fd, int cgroup_fd) {
        union bpf_attr attr;

        memset(&attr, 0, sizeof(attr));
        attr.target_fd = (uint32_t) cgroup_fd;
        attr.attach_bpf_fd = (uint32_t) program_fd;
        attr.attach_type = BPF_CGROUP_DEVICE;
        /* Beside those of cgroups above, rather than instead of them. */
        attr.attach_flags = BPF_F_ALLOW_MULTI;
        return bpf(BPF_PROG_ATTACH, &attr);
}
