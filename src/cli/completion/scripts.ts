/** What each shell runs; all ask `__complete`, so that they never grow old. `NAME` is the program. */
const bash = `# bash completion for NAME. Load it: source <(NAME completion bash)
_NAME_complete() {
    local line=\${COMP_LINE:0:COMP_POINT} cur directive word
    local -a words out
    read -r -a words <<<"$line"
    case $line in *[[:space:]]) words+=("") ;; esac
    cur=\${words[\${#words[@]}-1]}
    mapfile -t out < <(NAME __completeNoDesc -- "\${words[@]:1}" 2>/dev/null)
    COMPREPLY=()
    [ \${#out[@]} -gt 0 ] || return 0
    directive=\${out[\${#out[@]}-1]#:}
    unset "out[\${#out[@]}-1]"
    case $cur in -*=*) cur=\${cur#*=} ;; esac
    for word in "\${out[@]}"; do
        case $word in
            # bash starts a new word after a colon: it must not get back what stands before
            "$cur"*) case $COMP_WORDBREAKS in
                *:*) case $cur in *:*) word=\${word#"\${cur%:*}:"} ;; esac ;;
            esac
            COMPREPLY+=("$word") ;;
        esac
    done
    if [ "$directive" = 4 ]; then compopt +o default 2>/dev/null; fi
    return 0
}
complete -o default -F _NAME_complete NAME
`;

const zsh = `#compdef NAME
# zsh completion for NAME. Load it: source <(NAME completion zsh)
_NAME() {
    local -a out found
    local line directive name
    out=("\${(@f)$(NAME __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
    (( $#out )) || return 1
    directive=\${out[-1]#:}
    for line in "\${(@)out[1,-2]}"; do
        name=\${\${line%%$'\\t'*}//:/\\\\:}
        if [[ $line == *$'\\t'* ]]; then found+=("$name:\${line#*$'\\t'}"); else found+=("$name"); fi
    done
    if (( $#found )); then _describe NAME found; elif [[ $directive == 0 ]]; then _files; fi
}
if [ "$funcstack[1]" = "_NAME" ]; then _NAME "$@"; else compdef _NAME NAME; fi
`;

const fish = `# fish completion for NAME. Load it: NAME completion fish | source
function __NAME_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l out (NAME __complete -- $words[2..-1] 2>/dev/null)
    test (count $out) -gt 0; or return 1
    if test (count $out) -eq 1; and test "$out[-1]" = ":0"
        __fish_complete_path (commandline -ct)
        return 0
    end
    for line in $out[1..-2]
        echo $line
    end
end
complete -c NAME -f -a '(__NAME_complete)'
`;

const shells = { bash, fish, zsh } as const;
export type Shell = keyof typeof shells;

/** The completion script of a shell for a program of this name. */
export function completionScript(shell: Shell, program: string): string {
  return shells[shell].replaceAll("NAME", program);
}
