#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What a seccomp program makes of a system call: the kernel's interpreter, as far as such programs need one. */

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

static inline uint32_t bpf_load(const struct seccomp_data *data, uint32_t offset) {
        uint32_t word;

        assert_true(offset + sizeof(word) <= sizeof(*data));
        memcpy(&word, (const uint8_t *) data + offset, sizeof(word));
        return word;
}

static inline bool bpf_compare(uint16_t code, uint32_t a, uint32_t k) {
        switch (BPF_OP(code)) {
        case BPF_JEQ:
                return a == k;
        case BPF_JGT:
                return a > k;
        case BPF_JGE:
                return a >= k;
        case BPF_JSET:
                return a & k;
        default:
                fail_msg("jump %#x", code);
                return false;
        }
}

static inline uint32_t bpf_run(const void *program, size_t n_program, const struct seccomp_data *data) {
        const struct sock_filter *p = program;
        size_t n = n_program / sizeof(*p);
        uint32_t a = 0;

        for (size_t i = 0; i < n; i++)
                switch (p[i].code) {
                case BPF_LD | BPF_W | BPF_ABS:
                        a = bpf_load(data, p[i].k);
                        break;
                case BPF_ALU | BPF_AND | BPF_K:
                        a &= p[i].k;
                        break;
                case BPF_JMP | BPF_JA:
                        i += p[i].k;
                        break;
                case BPF_RET | BPF_K:
                        return p[i].k;
                default:
                        assert_int_equal(BPF_CLASS(p[i].code), BPF_JMP);
                        i += bpf_compare(p[i].code, a, p[i].k) ? p[i].jt : p[i].jf;
                }

        fail_msg("The program of %zu instructions has no end", n);
        return 0;
}
