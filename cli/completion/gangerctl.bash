# bash completion for gangerctl: commands and options as gangerctl itself names them (help -q), and what the daemons
# know: ids, queues, types, agents, keys. A daemon that does not answer within a second costs the suggestions only.

_gangerctl_ask() {
    gangerctl --timeout 1s -q "$@" 2>/dev/null
}

# The words up to the cursor. Not COMP_WORDS: bash breaks those at the colons of endpoints and keys.
_gangerctl_words() {
    local line=${COMP_LINE:0:COMP_POINT}
    read -ra typed <<<"$line"
    [[ $line != *[[:space:]] ]] || typed+=("")
}

# The options that stand before the word and choose the daemons, so that the questions go to the same ones.
_gangerctl_daemons() {
    local i
    daemons=()
    for ((i = 1; i < ${#typed[@]} - 1; i++)); do
        case ${typed[i]} in
            --broker | --context) daemons+=("${typed[i]}" "${typed[i + 1]}") ;;
            --broker=* | --context=*) daemons+=("${typed[i]}") ;;
        esac
    done
}

# The words that are followed by a command of their own.
_gangerctl_is_group() {
    [[ $1 == context || $1 == store || $1 == queue || $1 == agent || $1 == limit || $1 == budget ]]
}

# The command and, in a group, its member.
_gangerctl_command() {
    local i word
    command=()
    for ((i = 1; i < ${#typed[@]} - 1; i++)); do
        word=${typed[i]}
        case $word in
            --broker | --context | --timeout) ((i++)) ;;
            -*) ;;
            *)
                command+=("$word")
                [[ ${#command[@]} -eq 1 ]] && _gangerctl_is_group "$word" || return
                ;;
        esac
    done
}

_gangerctl_values() {
    case $1 in
        --type) [[ ${command[0]} == context ]] || _gangerctl_ask "${daemons[@]}" agents --types ;;
        --task) _gangerctl_ask "${daemons[@]}" list --limit 200 ;;
        --limit) [[ ${command[0]} != submit ]] || _gangerctl_ask "${daemons[@]}" limit list ;;
        --queue | --to-queue) _gangerctl_ask "${daemons[@]}" queues ;;
        --state) printf '%s\n' blocked scheduled ready assigned running suspended completed failed canceled expired ;;
        --on-breach) printf '%s\n' suspend cancel ;;
        --on-conflict) printf '%s\n' return reject replace ;;
        --priority) printf '%s\n' 1 2 3 4 5 6 7 8 9 ;;
        *) return 1 ;;
    esac
}

_gangerctl_arguments() {
    case ${command[*]} in
        show | get | why | history | wait | logs | "budget set" | "budget show") _gangerctl_ask "${daemons[@]}" list --limit 200 ;;
        adopt | orphans) _gangerctl_ask "${daemons[@]}" orphans ;;
        cancel) _gangerctl_ask "${daemons[@]}" list --limit 200 --state blocked,scheduled,ready,assigned,running,suspended ;;
        "queue pause" | "queue resume" | "queue set") _gangerctl_ask "${daemons[@]}" queues ;;
        "agent drain" | "agent kill") _gangerctl_ask "${daemons[@]}" agents ;;
        "limit set" | "limit list" | "limit ls" | "limit delete" | "limit rm")
            _gangerctl_ask "${daemons[@]}" limit list
            ;;
        jobs) _gangerctl_ask "${daemons[@]}" jobs ;;
        move) _gangerctl_ask "${daemons[@]}" list --limit 200 --state blocked,scheduled,ready,suspended ;;
        suspend) _gangerctl_ask "${daemons[@]}" list --limit 200 --state assigned,running ;;
        resume) _gangerctl_ask "${daemons[@]}" list --limit 200 --state suspended ;;
        update) _gangerctl_ask "${daemons[@]}" list --limit 200 --state blocked,scheduled,ready,suspended ;;
        retry) _gangerctl_ask "${daemons[@]}" list --limit 200 --state failed,canceled,expired ;;
        "context get" | "context put" | "context delete" | "context rm" | "context list" | "context ls")
            _gangerctl_ask "${daemons[@]}" context list --limit 1000 "$current"
            ;;
        "lock release" | "lock renew" | "lock list" | "lock ls") _gangerctl_ask "${daemons[@]}" lock list "$current" ;;
    esac
}

_gangerctl() {
    local -a typed daemons command
    local current previous words
    COMPREPLY=()
    _gangerctl_words
    current=${typed[-1]} previous=${typed[-2]}
    _gangerctl_daemons
    _gangerctl_command

    if [[ $previous == --file || ${command[*]} == "store backup" && $current != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
    fi
    if ! words=$(_gangerctl_values "$previous"); then
        if [[ $current == -* || ${#command[@]} -eq 0 ]] || _gangerctl_is_group "${command[*]}"; then
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
