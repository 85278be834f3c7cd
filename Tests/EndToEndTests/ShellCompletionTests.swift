import Linux
import TestSupport
import Testing

@Suite("Completion in the shells themselves")
struct ShellCompletionTests {
    /// Runs a script in a shell whose `PATH` leads to the built `rpc`.
    ///
    /// - Returns: The lines of its output, in order.
    private func lines(_ shell: String, _ options: [String], _ script: String) async throws -> [String] {
        guard let program = Executable.find(shell) else {
            try Test.cancel("\(shell) is not installed, its completion is not tried")
        }
        let programs = try Product.path("rpc").split(separator: "/").dropLast().map { "/\($0)" }.joined()
        let path = "\(programs):\(Environment["PATH"] ?? "/usr/bin:/bin")"
        return try await withTemporaryDirectory { home in
            let outcome = try await run(program, options + [script], environment: ["PATH": path, "HOME": home])
            #expect(outcome.status == .exited(0), "\(outcome.standardError)")
            #expect(outcome.standardError == "")
            return outcome.standardOutput.split(separator: "\n").map(String.init).sorted()
        }
    }

    /// What bash would put behind the last `=`, `:` or `@` of the line's last word.
    private func bash(_ line: String, breaks: String = "=:@") async throws -> [String] {
        let script = """
            source <(rpc completion bash)
            complete -p rpc >/dev/null || exit 9
            COMP_WORDBREAKS=$'\(breaks) \\t\\n' COMP_LINE='\(line)' COMP_POINT=\(line.utf8.count)
            _rpc rpc
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        return try await lines("bash", ["--norc", "-c"], script)
    }

    /// What zsh is given to choose from; its own part, laying it out, is left out.
    private func zsh(_ line: String) async throws -> [String] {
        let script = """
            autoload -Uz compinit; compinit -D
            eval "$(rpc completion zsh)"
            [[ $_comps[rpc] == _rpc ]] || exit 9
            _describe() { print -rl -- ${(P)2} ${(P)4} }
            line='\(line)'
            words=(${(s: :)line}) PREFIX=${line##* }
            [[ -n $PREFIX ]] || words+=('')
            CURRENT=$#words
            _rpc
            """
        return try await lines("zsh", ["-f", "-c"], script)
    }

    private func fish(_ line: String) async throws -> [String] {
        let script = "rpc completion fish | source; complete --do-complete '\(line)'"
        return try await lines("fish", ["--no-config", "--command"], script)
    }

    @Test("bash completes methods, parameters, values and options")
    func inBash() async throws {
        #expect(try await bash("rpc cache.ge") == ["cache.get", "cache.get_many"])
        #expect(try await bash("rpc cache.set condition=") == ["absent", "present"])
        #expect(
            try await bash("rpc cache.set condition=", breaks: "")
                == ["absent", "present"].map { "condition=\($0)" }
        )
        #expect(try await bash("rpc cache.get fresh:=t") == ["true"])
        #expect(try await bash("rpc agent.ping --tim") == ["--timeout"])
        // An @ is a word break too, but bash keeps it with the word that it begins.
        #expect(try await bash("rpc cache.set value=@config/squire.j") == ["@config/squire.json"])
        #expect(try await bash("rpc cache.get ke") == ["key="])
    }

    @Test("zsh completes methods, parameters and values, each with what it means")
    func inZsh() async throws {
        #expect(try await zsh("rpc cache.ge").map { $0.prefix { $0 != ":" } } == ["cache.get", "cache.get_many"])
        #expect(try await zsh("rpc cache.get ke").map { $0.prefix { $0 != ":" } } == ["key="])
        #expect(try await zsh("rpc list ").contains("cache.:"))
        #expect(try await zsh("rpc cache.get fresh:=t") == [#"fresh\:=true:"#])
    }

    @Test("fish completes methods, parameters and values, each with what it means")
    func inFish() async throws {
        #expect(try await fish("rpc cache.get").map { $0.prefix { $0 != "\t" } } == ["cache.get", "cache.get_many"])
        #expect(try await fish("rpc cache.get fresh=") == ["fresh=false", "fresh=true"])
        #expect(try await fish("rpc agent.ping --tim").first?.hasPrefix("--timeout\t") == true)
    }

    @Test("the daemon's scripts are taken by their shells and complete its flags")
    func daemon() async throws {
        let bash = """
            source config/completions/squired.bash
            COMP_WORDS=(squired --st) COMP_CWORD=1; _squired; printf '%s\\n' "${COMPREPLY[@]}"
            """
        #expect(try await lines("bash", ["--norc", "-c"], bash) == ["--state", "--state-dir"])
        let fish = "source config/completions/squired.fish; complete --do-complete 'squired --state'"
        #expect(try await lines("fish", ["--no-config", "--command"], fish).count == 2)
        #expect(try await lines("zsh", ["-f", "-n"], "config/completions/_squired") == [])
    }
}
