# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for ferry-nbd: asks the program itself.

_ferry_nbd() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local tool=${COMP_WORDS[0]} words

    case $prev in
    -f|--format)
        words='raw qcow2 luks' ;;
    --cache)
        words='none writeback writethrough directsync unsafe' ;;
    --aio)
        words='threads native io_uring' ;;
    --discard)
        words='ignore unmap' ;;
    --detect-zeroes)
        words='off on unmap' ;;
    -c|--connect)
        mapfile -t COMPREPLY < <(compgen -G "/dev/nbd*")
        return ;;
    -[pbexDoBTl]|--port|--bind|--shared|--export-name|--object)
        return ;;
    *)
        if [[ $cur == -* ]]; then
            words=$("$tool" --help 2>/dev/null | tr ' ,' '\n\n' |
                sed -n 's/^\(--\?[a-zA-Z][-a-z]*\).*/\1/p')
        fi ;;
    esac
    if [[ -n $words ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -F _ferry_nbd ferry-nbd
