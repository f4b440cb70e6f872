# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for ferry-img and ferry-io: asks the program itself.

# The words of --help that look like options.
_ferry_tool_options() {
    "$@" --help 2>/dev/null |
        sed -n 's/^  \(-[^ ]*\( --[^ =]*\)\?\).*/\1/p' | tr ', ' '\n\n' |
        sed -e 's/=.*//' -e '/^-/!d'
}

_ferry_tool_formats() {
    "$1" --help 2>/dev/null | sed -n '/^Block drivers:/,$s/^  \([a-z][^ ]*\) .*/\1/p'
}

_ferry_img() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local tool=${COMP_WORDS[0]} command= fmt=raw i IFS=$' \t\n' words

    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ -z $command && ${COMP_WORDS[i]} != -* ]]; then
            command=${COMP_WORDS[i]}
        fi
        if [[ ${COMP_WORDS[i]} == -[fO] ]]; then
            fmt=${COMP_WORDS[i+1]}
        fi
    done
    if [[ -z $command ]]; then
        words=$("$tool" --help 2>/dev/null |
            sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$words --help --version" -- "$cur")
        return
    fi
    case $prev in
    -f|-O|-F)
        mapfile -t COMPREPLY < <(compgen -W "$(_ferry_tool_formats "$tool")" -- "$cur") ;;
    -t|-T)
        mapfile -t COMPREPLY < <(compgen -W "none writeback writethrough directsync unsafe" -- "$cur") ;;
    -r)
        [[ $command == check ]] &&
            mapfile -t COMPREPLY < <(compgen -W "leaks all" -- "$cur") ;;
    -o)
        local done_=
        [[ $cur == *,* ]] && done_=${cur%,*},
        words=$("$tool" "$command" -f "$fmt" -o help 2>/dev/null ||
            "$tool" create -f "$fmt" -o help 2>/dev/null)
        words=$(sed -n 's/^  \([^=]*\)=.*/\1=/p' <<<"$words")
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen -P "$done_" -W "$words" -- "${cur##*,}") ;;
    *)
        if [[ $cur == --output=* || $prev == = ]]; then
            mapfile -t COMPREPLY < <(compgen -W "human json" -- "${cur##*=}")
        elif [[ $cur == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$(_ferry_tool_options "$tool" "$command")" -- "$cur")
        else
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        fi ;;
    esac
}
complete -F _ferry_img ferry-img

_ferry_io() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local tool=${COMP_WORDS[0]} IFS=$' \t\n' words

    case $prev in
    -c|--cmd)
        words=$("$tool" -c help 2>/dev/null | sed -n 's/^\([a-z_]*\) .*--.*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur") ;;
    -f)
        words=$("${tool%-io}-img" --help 2>/dev/null |
            sed -n '/^Block drivers:/,$s/^  \([a-z][^ ]*\) .*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur") ;;
    *)
        if [[ $cur == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$(_ferry_tool_options "$tool")" -- "$cur")
        else
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        fi ;;
    esac
}
complete -F _ferry_io ferry-io
