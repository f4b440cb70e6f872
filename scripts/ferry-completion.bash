# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for ferry: asks the program itself.

_ferry() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local ferry=${COMP_WORDS[0]} IFS=$' \t\n' words

    case $prev in
    -object|-chardev|-device|-machine|-M|-accel|-cpu)
        if [[ $cur == *,* ]]; then
            local kind=${cur%%,*} done_=${cur%,*}
            words=$("$ferry" "$prev" "$kind,help" 2>/dev/null |
                sed -n 's/^ *\([a-zA-Z0-9_-]*\)=.*/\1=/p')
            compopt -o nospace
            mapfile -t COMPREPLY < <(compgen -P "$done_," -W "$words" -- "${cur##*,}")
        else
            words=$("$ferry" "$prev" help 2>/dev/null |
                sed -n -e 's/^name "\([^"]*\)".*/\1/p' -e 's/^ *\([a-z][a-zA-Z0-9_-]*\)\( .*\)*$/\1/p')
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        fi ;;
    -kernel|-initrd|-D|-pidfile|-readconfig|-mem-path)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    *)
        words=$("$ferry" -help 2>/dev/null | sed -n 's/^  \(-[a-zA-Z-]*\).*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur") ;;
    esac
}
complete -F _ferry ferry
