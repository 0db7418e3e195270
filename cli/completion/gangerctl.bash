# bash completion for gangerctl: commands and options as gangerctl itself names them (help -q), and what the daemons
# know: ids, queues, types, agents, keys. A daemon that does not answer within a second costs the suggestions only.

_gangerctl_ask() {
    gangerctl --timeout 1s -q "$@" 2>/dev/null
}

# The options that stand before the word and choose the daemons, so that the questions go to the same ones.
_gangerctl_daemons() {
    local i
    daemons=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --broker | --context) daemons+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}") ;;
        esac
    done
}

# The command and, in a group, its member.
_gangerctl_command() {
    local i word
    command=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            --broker | --context | --timeout) ((i++)) ;;
            -*) ;;
            *)
                command+=("$word")
                [[ $word == context && ${#command[@]} -eq 1 ]] || return
                ;;
        esac
    done
}

_gangerctl_values() {
    case $1 in
        --type) [[ ${command[0]} == context ]] || _gangerctl_ask "${daemons[@]}" agents --types ;;
        --queue) _gangerctl_ask "${daemons[@]}" queues ;;
        --state) printf '%s\n' scheduled ready assigned running completed failed canceled ;;
        --priority) printf '%s\n' 1 2 3 4 5 6 7 8 9 ;;
        *) return 1 ;;
    esac
}

_gangerctl_arguments() {
    case ${command[*]} in
        show | get | wait | logs) _gangerctl_ask "${daemons[@]}" list --limit 200 ;;
        cancel) _gangerctl_ask "${daemons[@]}" list --limit 200 --state scheduled,ready,assigned,running ;;
        retry) _gangerctl_ask "${daemons[@]}" list --limit 200 --state failed,canceled ;;
        "context get" | "context put" | "context delete" | "context rm" | "context list" | "context ls")
            _gangerctl_ask "${daemons[@]}" context list --limit 1000 "$current"
            ;;
    esac
}

_gangerctl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words
    local -a daemons command
    COMPREPLY=()
    _gangerctl_daemons
    _gangerctl_command

    if [[ $previous == --file ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
    fi
    if ! words=$(_gangerctl_values "$previous"); then
        if [[ $current == -* || ${#command[@]} -eq 0 || ${command[*]} == context ]]; then
            words=$(gangerctl help -q "${command[@]}" 2>/dev/null)
            [[ $current == -* ]] || words=$(grep -v '^-' <<<"$words")
        elif [[ ${command[0]} == help ]]; then
            words=$(gangerctl help -q 2>/dev/null | grep -v '^-')
        else
            words=$(_gangerctl_arguments)
        fi
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _gangerctl gangerctl
