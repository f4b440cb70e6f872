#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# decode-gen.py TABLE OUTPUT: make the decoder's C tables of decode-table.txt,
# whose head describes the language. The output is included by decode.c.
import re
import sys

GPRS = {'A': 0, 'C': 1, 'D': 2, 'B': 3, 'S': 4, 'P': 5, 'I': 6, 'J': 7}
FLAGS = 'CPAZSOD'
KINDS = 'EGMRZBVWUHLPQNI2JAOTOK'
SIZES = ['', 'b', 'w', 'd', 'q', 'dq', 'qq', 'v', 'z', 'y', 'x', 'h', 'f',
         'e', 'k', 'p', 's', 'r', 'n', 't', 'a', 'env', 'fst', 'fx']
PP = {'np': 1, '66': 2, 'f3': 4, 'f2': 8}
ACCESS = {'': 1, '>': 2, '+': 3, '&': 0}

NATIVE = '''ADD OR ADC SBB AND SUB XOR CMP TEST MOV MOVZX MOVSX LEA XCHG XADD
CMPXCHG CMPXCHG8B CMPXCHG16B MOVBE MOVNTI BSWAP INC DEC NEG NOT MUL IMUL IMUL2
IMUL3 DIV IDIV ROL ROR RCL RCR SHL SHR SAR SHLD SHRD BT BTS BTR BTC BSF BSR
TZCNT LZCNT POPCNT CMOV SETCC CBW CWD CRC32 ANDN BEXTR BLSI BLSMSK BLSR BZHI
MULX PDEP PEXT RORX SARX SHLX SHRX ADCX ADOX LAHF SAHF CLC STC CMC CLD STD NOP
PAUSE LFENCE MFENCE SFENCE X87 FWAIT MMX SSE AVX'''.split()
CONTROL = '''JCC JMP JMPI JMPF CALL CALLI CALLF RET RETF IRET LOOP LOOPE LOOPNE
JCXZ INT INT3 INT1 SYSCALL SYSRET SYSENTER SYSEXIT INTO'''.split()
STACK = '''PUSH PUSHI PUSHS POP POPS PUSHA POPA PUSHF POPF ENTER LEAVE'''.split()
STRING = 'MOVS CMPS STOS LODS SCAS INS OUTS'.split()
MICRO = '''RDRAND RDSEED MASKMOVQ MASKMOVDQU VMASKMOV VGATHER LDMXCSR STMXCSR
DAA DAS AAA AAS AAM AAD SALC XLAT BOUND ARPL CLFLUSH'''.split()
CLASS = {}
for names, cls in ((NATIVE, 'NATIVE'), (CONTROL, 'CONTROL'), (STACK, 'STACK'),
                   (STRING, 'STRING'), (MICRO, 'MICRO'), (['UD'], 'UD')):
    for name in names:
        CLASS[name] = cls
VECTOR = ('SSE', 'AVX', 'MMX')
ALU = ['ADD', 'OR', 'ADC', 'SBB', 'AND', 'SUB', 'XOR', 'CMP']
SHIFTS = ['ROL', 'ROR', 'RCL', 'RCR', 'SHL', 'SHR', 'SHL', 'SAR']
FEATURES = {'sse4.1': 'SSE41', 'sse4.2': 'SSE42', 'pclmulqdq': 'PCLMUL',
            'vpclmulqdq': 'VPCLMUL'}


class Row:
    pass


def expand(line):
    """Yield plain rows (encoding, norm, op, operands, keys) of one line."""
    f = line.split()
    if f[0] == '%alu':
        base, op, keys = int(f[1], 16), f[2], f[3:]
        digit = ALU.index(op)
        to = '' if op == 'CMP' else '+'
        keys = ['fw=OSZAPC'] + keys
        lock = [] if op == 'CMP' else ['lock']
        yield '%02x' % base, None, op, to + 'Eb,Gb', keys + lock
        yield '%02x' % (base + 1), None, op, to + 'Ev,Gv', keys + lock
        yield '%02x' % (base + 2), None, op, to + 'Gb,Eb', keys
        yield '%02x' % (base + 3), None, op, to + 'Gv,Ev', keys
        yield '%02x' % (base + 4), '80/%d' % digit, op, to + 'Eb,Is', keys
        yield '%02x' % (base + 5), '81/%d' % digit, op, to + 'Ev,Iz', keys
    elif f[0] == '%shift':
        for digit, op in enumerate(SHIFTS):
            keys = ['fw=OC', 'fr=OC', 'fu=O']
            if digit >= 4:
                keys = ['fw=OSZPC', 'fr=OSZAPC', 'fu=OA']
            yield '%s/%d' % (f[1], digit), None, op, '+' + f[2], keys
    elif f[0] == '%vshift':
        for digit in f[2:]:
            yield ('np.0f.%s/%sr' % (f[1], digit), None, 'MMX', '+Nq,Ib',
                   ['@mmx'])
            yield ('66.0f.%s/%sr' % (f[1], digit), None, 'SSE', '>Hx,Ux,Ib',
                   ['@sse2,avx,avx2'])
    elif f[0] == '%mmcount':
        yield 'np.0f.' + f[1], None, 'MMX', '+Pq,Qq', ['@mmx']
        yield ('66.0f.' + f[1], None, 'SSE', '>Vx,Hx,Wdq',
               ['@sse2,avx,avx2'])
    elif f[0] == '%fma':
        if f[2] == 'packed':
            yield ('vex.66.0f38.' + f[1], None, 'AVX', '+Vx,Hx,Wx',
                   ['mx', '@fma'])
        else:
            for w, size in (('W0', 'd'), ('W1', 'q')):
                yield ('vex.66.0f38.' + f[1], None, 'AVX', '+Vx,Hx,W' + size,
                       ['mx', '@fma', w])
    elif f[0] == '%norm':
        yield f[1], f[2], f[3], f[4], f[5:]
    elif f[0].startswith('mm.'):
        enc, feature = f[0][3:], f[1]
        wide = 'ssse3' if feature == 'ssse3' else 'sse2'
        yield 'np.' + enc, None, 'MMX', '+Pq,Qq', ['@' + feature]
        yield ('66.' + enc, None, 'SSE', '>Vx,Hx,Wx',
               ['@%s,avx,avx2' % wide])
    elif f[0].startswith('fp.'):
        for pp, size, feature in (('np', 'x', 'sse'), ('66', 'x', 'sse2'),
                                  ('f3', 'd', 'sse'), ('f2', 'q', 'sse2')):
            yield (pp + '.' + f[0][3:], None, 'SSE', '>Vx,Hx,W' + size,
                   ['mx', '@%s,avx' % feature])
    elif f[1] == 'AVX' and f[2] == 'allvec':
        yield f[0], None, 'AVX', '-', f[2:]
    else:
        yield f[0], None, f[1], f[2] if len(f) > 2 else '-', f[3:]


def parse_encoding(row, enc):
    parts = enc.split('.')
    row.vex = parts[0] == 'vex'
    if row.vex:
        parts.pop(0)
    row.pp = 15
    if re.fullmatch(r'(np|66|f3|f2)(\+(np|66|f3|f2))*', parts[0]):
        if len(parts) > 1:
            row.pp = sum(PP[p] for p in parts.pop(0).split('+'))
    # "54..57" was cut apart by the dots
    text = '.'.join(parts)
    row.map = 0
    m = re.match(r'(0f38|0f3a|0f)\.', text)
    if m:
        row.map = {'0f': 1, '0f38': 2, '0f3a': 3}[m.group(1)]
        text = text[m.end():]
    m = re.fullmatch(r'([0-9a-f]{2})(?:\.\.([0-9a-f]{2}))?(\+)?'
                     r'(?::([0-9a-f]{2}))?(?:/([0-7]))?([mr])?', text)
    if not m:
        sys.exit('bad encoding ' + enc)
    first = int(m.group(1), 16)
    last = int(m.group(2), 16) if m.group(2) else first
    if m.group(3):
        last = first + 7
    row.opcodes = range(first, last + 1)
    row.modrm = int(m.group(4), 16) if m.group(4) else 0
    row.digit = int(m.group(5)) if m.group(5) else 255
    row.mod = m.group(6) or ''


def parse_operand(text):
    m = re.fullmatch(r'([>+&]?)([A-Z2])([a-z]*)', text)
    if not m:
        sys.exit('bad operand ' + text)
    kind, size = m.group(2), m.group(3)
    name = {'2': 'IMM2', 'I': 'IMM'}.get(kind, kind)
    if kind == 'I' and size == 's':
        name, size = 'IMMS', 'b'
    if size not in SIZES:
        sys.exit('bad size in ' + text)
    return ACCESS[m.group(1)], name, size


def flags(text):
    return sum(1 << FLAGS.index(c) for c in text)


def gprs(text):
    return sum(1 << (GPRS[c] if c in GPRS else int(c))
               for c in text.split('.'))


def size_rule(row):
    """Where op_bytes comes from."""
    for key in ('f64', 'd64'):
        if key in row.keys:
            return key
    if row.os:
        return row.os
    if row.op in VECTOR:
        for _, kind, size in row.operands:
            if kind in 'EGRB' and size in ('y', 'd'):
                return size
        return 'x'
    for _, kind, size in row.operands:
        if size in ('b', 'w', 'd', 'q', 'y', 'n'):
            return size
        if size == 's':
            return 'f64'
        if size == 'dq':
            return 'q'
        if size in ('v', 'z', 'r', 'p', 'a', 'env', 'fst'):
            return 'v'
    return 'v'


def make_row(enc, norm, op, operands, keys, vex_twin):
    row = Row()
    parse_encoding(row, enc)
    row.op = op
    row.keys = set(k for k in keys if '=' not in k and k[0] != '@')
    values = dict(k.split('=') for k in keys if '=' in k)
    row.fr = flags(values.get('fr', ''))
    row.fu = flags(values.get('fu', ''))
    row.fw = flags(values.get('fw', '')) | row.fu
    row.ir = gprs(values['ir']) if 'ir' in values else 0
    row.iw = gprs(values['iw']) if 'iw' in values else 0
    row.os = values.get('os')
    row.cls = values.get('cls') or CLASS.get(op, 'SYSTEM')
    if row.cls == 'UD':
        row.op = 'UD'
    features = ([k[1:] for k in keys if k[0] == '@'] or ['base'])[0].split(',')
    row.imm_one = row.cl = False
    row.operands = []
    for o in operands.split(',') if operands != '-' else []:
        if o == '1':
            row.imm_one = True
        elif o == 'cl':
            row.cl = True
            row.ir |= 2
        else:
            row.operands.append(parse_operand(o))
    if vex_twin:
        row.vex = True
        features = features[1:]
        if row.op == 'SSE':
            row.op = 'AVX'
    elif not row.vex:
        features = features[:1]
        if row.op == 'SSE':
            row.keys -= {'L0', 'L1', 'W0', 'W1'}
    row.feature = features[0]
    row.feature_l1 = features[-1]
    row.norm = None
    if norm:
        m = re.fullmatch(r'([0-9a-f]{2})(?:/([0-7]))?', norm)
        row.norm = int(m.group(1), 16), int(m.group(2) or 0)
    kinds = [k for _, k, _ in row.operands]
    row.has_modrm = (row.map >= 2 or row.modrm or row.digit != 255 or
                     row.mod != '' or
                     any(k in 'EGMRVWUHPQNT' for k in kinds))
    if norm and '+' not in enc and row.digit == 255:
        row.has_modrm = False   # accumulator and moffs forms
    if any(k in 'RUN' for k in kinds) and 'anymod' not in row.keys:
        row.mod = 'r'
    if any(k in 'MT' for k in kinds):
        row.mod = 'm'
    return row


def attributes(row):
    a = []
    if row.has_modrm:
        a.append('MODRM')
    if 'ends' in row.keys or row.cls in ('CONTROL', 'UD'):
        a.append('ENDS')
    if row.op in ('SSE', 'AVX', 'MASKMOVDQU', 'VMASKMOV', 'VGATHER', 'LDMXCSR',
                  'STMXCSR'):
        a.append('VEC')
    if row.op in ('X87', 'FWAIT'):
        a.append('X87')
    kinds = [k for _, k, _ in row.operands]
    if row.op == 'MMX' or any(k in 'PQN' for k in kinds):
        a.append('MMX')
    for key, name in (('mx', 'MXCSR'), ('cpl0', 'CPL0'), ('shadow', 'SHADOW'),
                      ('div', 'DIV')):
        if key in row.keys:
            a.append(name)
    if row.op in ('DIV', 'IDIV'):
        a.append('DIV')
    if row.operands and row.operands[0][1] in 'GVPB' and \
            (row.operands[0][0] & 2 or row.op == 'CMP'):
        a.append('TO_REG')
    if any(k == 'L' for k in kinds):
        a.append('IMM_VEC')
    if any(k == 'T' for k in kinds):
        a.append('VSIB')
    return ' | '.join('SOFT_A_' + x for x in sorted(set(a))) or '0'


def private(row):
    k = []
    for key in ('i64', 'o64', 'prot', 'lock', 'L0', 'L1', 'W0', 'W1', 'unal',
                'valign', 'xmm0', 'wxmm0', 'allvec', 'nb', 'anymod'):
        if key in row.keys:
            k.append(key.upper())
    if row.vex:
        k.append('VEX')
    if row.norm:
        k.append('NORM')
    if row.imm_one:
        k.append('ONE')
    if row.mod:
        k.append('MOD_' + row.mod.upper())
    return ' | '.join('ENC_' + x for x in k) or '0'


def feature_name(name):
    return 'SOFT_F_' + FEATURES.get(name, name.upper())


def size_name(size):
    return 'SIZE_' + (size.upper() or 'NONE')


def c_row(row):
    ops = ', '.join('OPERAND(%d, KIND_%s, %s)' % (a, k, size_name(s))
                    for a, k, s in row.operands)
    norm, norm_digit = row.norm or (0, 0)
    return ('{ .op = SOFT_OP_%s, .cls = SOFT_CLASS_%s, .attrs = %s, '
            '.keys = %s, .pp = %d, .digit = %d, .modrm = %d, .size = %s, '
            '.feature = %s, .feature_l1 = %s, .gpr_read = %d, '
            '.gpr_write = %d, .flags_read = %d, .flags_written = %d, '
            '.flags_undef = %d, .norm = %d, .norm_digit = %d, '
            '.operands = { %s } },'
            % (row.op, row.cls, attributes(row), private(row), row.pp,
               row.digit, row.modrm, size_name(size_rule(row)),
               feature_name(row.feature), feature_name(row.feature_l1),
               row.ir, row.iw, row.fr, row.fw, row.fu, norm, norm_digit,
               ops or '0'))


def main():
    groups = {}
    for line in open(sys.argv[1]):
        line = line.split('#')[0].strip()
        if not line:
            continue
        for enc, norm, op, operands, keys in expand(line):
            rows = [make_row(enc, norm, op, operands, keys, False)]
            if not rows[0].vex and any(k[0] == '@' and ',' in k for k in keys):
                rows.append(make_row(enc, norm, op, operands, keys, True))
            for row in rows:
                for opcode in row.opcodes:
                    groups.setdefault((row.map, opcode), []).append(row)
    out = ['/* Made by decode-gen.py of decode-table.txt. */',
           'static const SoftEncoding soft_encodings[] = {']
    index = {}
    count = 0
    for key in sorted(groups):
        rows = groups[key]
        modrm = any(r.has_modrm for r in rows if not r.vex) or \
            any(r.has_modrm for r in rows if r.vex)
        index[key] = count, len(rows), modrm
        out.append('    /* map %d opcode %02x */' % key)
        out += ['    ' + c_row(r) for r in rows]
        count += len(rows)
    out.append('};')
    out.append('static const SoftOpcodeGroup soft_opcodes[4][256] = {')
    for key in sorted(index):
        out.append('    [%d][0x%02x] = { %d, %d, %d },'
                   % (key + index[key]))
    out.append('};')
    with open(sys.argv[2], 'w') as f:
        f.write('\n'.join(out) + '\n')


if __name__ == '__main__':
    main()
