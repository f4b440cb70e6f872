/*
 * What the decoder says about a stream of instructions, for comparison with a
 * disassembler (tests/soft/decode-objdump): standard input has records of 15
 * bytes; for each the answer is one line, "LENGTH" or "ud", "long".
 *
 *     decode-stream 16|32|64
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <stdio.h>

#include "accel/soft/insn.h"

int main(int argc, char **argv)
{
    SoftDecodeMode mode = {
        .features = SOFT_FEATURES_ALL,
        .code_bits = argc > 1 ? atoi(argv[1]) : 64,
        .prot = true,
    };
    bool verbose = argc > 2;
    uint8_t bytes[SOFT_INSN_BYTES_MAX];
    char text[128];
    SoftInsn insn;

    while (fread(bytes, sizeof(bytes), 1, stdin) == 1) {
        switch (soft_decode(bytes, sizeof(bytes), &mode, &insn)) {
        case SOFT_DECODE_OK:
            printf("%u", insn.length);
            break;
        case SOFT_DECODE_UD:
            printf("ud");
            break;
        default:
            printf("long");
            break;
        }
        if (verbose) {
            soft_insn_format(&insn, text, sizeof(text));
            printf(" %s", text);
        }
        putchar('\n');
    }
    return 0;
}
