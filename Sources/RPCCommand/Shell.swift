/// A shell whose command lines `rpc` completes.
///
/// The scripts hold no names of methods: they ask `rpc completion candidates LINE`, which is of the version installed.
enum Shell: String, CaseIterable {
    case bash
    case zsh
    case fish

    /// The words behind `rpc` with which scripts ask for what may follow on a line.
    static let request = "completion candidates"

    /// The script that teaches the shell.
    var script: String {
        switch self {
        case .bash: Self.bashScript
        case .zsh: Self.zshScript
        case .fish: Self.fishScript
        }
    }

    private static let bashScript = #"""
        # Completion of rpc for bash. Made by: rpc completion bash
        _rpc() {
            local line="${COMP_LINE:0:COMP_POINT}" word cut="" part break candidate
            word="${line##*[[:space:]]}"
            # bash replaces only what stands behind the last of these characters, so the rest is cut from candidates.
            for break in = :; do
                if [[ $COMP_WORDBREAKS == *"$break"* && $word == *"$break"* ]]; then
                    part="${word%"$break"*}$break"
                    if ((${#part} > ${#cut})); then cut="$part"; fi
                fi
            done
            COMPREPLY=()
            while IFS=$'\t' read -r candidate _; do
                case $candidate in
                *[=./@]) compopt -o nospace 2>/dev/null ;;
                esac
                COMPREPLY+=("${candidate#"$cut"}")
            done < <("${1:-rpc}" \#(request) "$line" 2>/dev/null)
        }
        complete -F _rpc rpc

        """#

    private static let zshScript = #"""
        #compdef rpc
        # Completion of rpc for zsh. Made by: rpc completion zsh
        _rpc() {
            local -a closed open
            local candidate summary
            while IFS=$'\t' read -r candidate summary; do
                candidate="${candidate//:/\\:}"
                case $candidate in
                *[=./@]) open+=("$candidate:$summary") ;;
                *) closed+=("$candidate:$summary") ;;
                esac
            done < <("${words[1]}" \#(request) "${(j: :)words[1,CURRENT-1]} $PREFIX" 2>/dev/null)
            _describe rpc closed -- open -S ''
        }
        if [[ $funcstack[1] == _rpc ]]; then
            _rpc "$@"
        else
            compdef _rpc rpc
        fi

        """#

    private static let fishScript = #"""
        # Completion of rpc for fish. Made by: rpc completion fish
        complete --command rpc --no-files \
            --arguments '(rpc \#(request) (commandline --cut-at-cursor --current-process | string collect) 2>/dev/null)'

        """#
}
