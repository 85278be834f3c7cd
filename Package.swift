// swift-tools-version: 6.2
import PackageDescription

// Every target is compiled with the same settings. The links say what each upcoming feature changes.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),  // SE-0335
    .enableUpcomingFeature("ImmutableWeakCaptures"),  // SE-0481
    .enableUpcomingFeature("InferIsolatedConformances"),  // SE-0470
    .enableUpcomingFeature("InternalImportsByDefault"),  // SE-0409
    .enableUpcomingFeature("MemberImportVisibility"),  // SE-0444
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),  // SE-0461
    .strictMemorySafety(),  // SE-0458
    .treatAllWarnings(as: .error),  // SE-0443
    // Small functions of the lower layers are inlined into the request path of the upper ones. The compiler does so for
    // public declarations only, which is why no target uses the package access level. Overlapping accesses to a
    // property, and callbacks on the wrong thread, are trapped in debug builds, and so in all tests; the checks would cost
    // a release a tenth of each call.
    .unsafeFlags(
        [
            "-cross-module-optimization", "-enforce-exclusivity=unchecked",
            "-Xfrontend", "-disable-dynamic-actor-isolation",
        ],
        .when(configuration: .release)
    ),
]

/// A target of the agent, with the settings that all of them share.
func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// An executable of a few lines over a library.
func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// The tests of one target, or of the whole.
func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: settings)
}

let package = Package(
    name: "squire",
    products: [
        .executable(name: "squired", targets: ["squired"]),
        .executable(name: "rpc", targets: ["rpc"]),
    ],
    targets: [
        // C: a module map and a header each, imported by one Swift target each.
        .systemLibrary(name: "CBytes"),
        .systemLibrary(name: "CHiredis"),
        .systemLibrary(name: "CJansson"),
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CMicroHTTPD"),
        .systemLibrary(name: "COpenSSL"),
        .systemLibrary(name: "CProcessor"),
        .systemLibrary(name: "CZstd"),

        // Ground: bytes, the kernel, JSON text, digests, logs.
        module("Bytes"),
        module("Compression", ["Bytes", "CZstd"]),
        module("Crypto", ["Bytes", "COpenSSL"]),
        module("Linux", ["Bytes", "CLinux"]),
        module("JSON", ["Bytes", "CBytes", "CJansson"]),
        module("Observability", ["Bytes", "JSON", "Linux"]),

        // Mechanism: knows neither Valkey nor any method.
        module("EventLoop", ["Linux"]),
        module("JSONRPC", ["Bytes", "JSON", "Linux", "Observability"]),
        module("Resilience", ["Linux"]),
        module("Contract", ["Bytes", "JSON", "JSONRPC"]),
        module("Telemetry", ["Bytes", "CMicroHTTPD", "EventLoop", "Linux"]),

        // Policy: who may call what; pure, decided once a connection.
        module("Policy", ["Bytes", "Contract", "JSON", "JSONRPC", "Linux"]),

        // Audit: a chain of records, written beside the loop.
        module("Audit", ["Bytes", "Crypto", "JSON", "Linux", "Observability"]),

        // Link: everything about talking to Valkey.
        module("Valkey", ["Bytes", "CHiredis", "Crypto", "EventLoop", "Linux", "Observability", "Resilience"]),

        // Store: what all features need of Valkey: namespaces, key names, values of other clients, error replies.
        module(
            "Store",
            ["Bytes", "Contract", "Crypto", "EventLoop", "JSON", "JSONRPC", "Linux", "Observability", "Valkey"]
        ),

        // Leases: what locks, semaphores and elections have in common.
        module(
            "Leases",
            [
                "Bytes", "Contract", "Crypto", "EventLoop", "JSON", "JSONRPC", "Linux", "Observability", "Store",
                "Valkey",
            ]
        ),

        // Sealing: envelopes and master keys, for all features that keep secrets.
        module("Sealing", ["Bytes", "Crypto", "Linux"]),

        // Features: one target for each family of methods; none imports another.
        module(
            "Cache",
            [
                "Bytes", "CProcessor", "Compression", "Contract", "Crypto", "EventLoop", "JSON", "JSONRPC", "Linux",
                "Sealing", "Store", "Valkey",
            ]
        ),
        module(
            "Sessions",
            [
                "Bytes", "Contract", "Crypto", "EventLoop", "JSON", "JSONRPC", "Linux", "Observability",
                "Sealing", "Store", "Valkey",
            ]
        ),
        module("Channels", ["Bytes", "Contract", "EventLoop", "JSON", "JSONRPC", "Linux", "Store", "Valkey"]),
        module(
            "Locks",
            [
                "Bytes", "Contract", "EventLoop", "JSON", "JSONRPC", "Leases", "Linux", "Observability", "Store",
                "Valkey",
            ]
        ),
        module(
            "Leaders",
            ["Bytes", "Contract", "EventLoop", "JSON", "JSONRPC", "Leases", "Linux", "Store", "Valkey"]
        ),
        module(
            "Responses",
            ["Bytes", "Contract", "Crypto", "EventLoop", "JSON", "JSONRPC", "Linux", "Sealing", "Store", "Valkey"]
        ),
        module(
            "Topics",
            ["Bytes", "Contract", "EventLoop", "JSON", "JSONRPC", "Linux", "Observability", "Store", "Valkey"]
        ),

        // Agent: configuration, server, lifecycle, and the one place where everything is wired together.
        module("Configuration", ["Bytes", "Crypto", "JSON", "JSONRPC", "Linux", "Observability", "Valkey"]),
        module(
            "Agent",
            [
                "Audit", "Bytes", "Cache", "Channels", "Configuration", "Contract", "Crypto", "EventLoop", "JSON",
                "JSONRPC", "Leaders", "Leases", "Linux", "Locks", "Observability", "Policy", "Resilience",
                "Responses", "Sealing", "Sessions", "Store", "Telemetry", "Topics", "Valkey",
            ]
        ),
        module("RPCClient", ["Bytes", "JSON", "Linux"]),
        module("RPCUsage"),
        module("LoadGenerator", ["Bytes", "Linux"]),
        module(
            "RPCCommand",
            ["Bytes", "Contract", "JSON", "Linux", "LoadGenerator", "RPCClient", "RPCUsage"]
        ),

        // Programs.
        program("squired", ["Agent", "Linux"]),
        program("rpc", ["Linux", "RPCCommand"]),
        program("DevTools", ["Configuration", "JSON", "Linux", "RPCUsage"]),

        // Tests: fixtures shared by all, then the tests of each target, then those of the whole.
        .target(
            name: "TestSupport",
            dependencies: ["Bytes", "EventLoop", "Linux", "RPCClient"],
            path: "Tests/TestSupport",
            swiftSettings: settings
        ),
        .target(
            name: "RPCTestSupport",
            dependencies: ["Bytes", "Linux"],
            path: "Tests/RPCTestSupport",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "LinuxTestProgram",
            dependencies: ["Linux"],
            path: "Tests/LinuxTestProgram",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "ValkeyTestProgram",
            dependencies: ["EventLoop", "Observability", "Valkey"],
            path: "Tests/ValkeyTestProgram",
            swiftSettings: settings
        ),
        tests("TestSupportTests", ["Bytes", "Linux", "RPCClient", "TestSupport"]),
        tests("LinuxTests", ["Linux", "LinuxTestProgram", "RPCTestSupport", "TestSupport"]),
        tests("BytesTests", ["Bytes", "TestSupport"]),
        tests("JSONTests", ["Bytes", "JSON", "TestSupport"]),
        tests("JSONRPCTests", ["Bytes", "JSON", "JSONRPC", "Linux", "Observability", "TestSupport"]),
        tests("CompressionTests", ["Bytes", "Compression", "TestSupport"]),
        tests("CryptoTests", ["Bytes", "Crypto", "Linux", "TestSupport"]),
        tests("ObservabilityTests", ["Bytes", "JSON", "Linux", "Observability", "TestSupport"]),
        tests("ContractTests", ["Bytes", "Contract", "JSON", "JSONRPC"]),
        tests("DevToolsTests", ["DevTools", "JSON", "TestSupport"]),
        tests(
            "ConfigurationTests",
            ["Configuration", "JSON", "JSONRPC", "Linux", "Observability", "TestSupport", "Valkey"]
        ),
        tests("LoadGeneratorTests", ["Bytes", "Linux", "LoadGenerator"]),
        tests("RPCClientTests", ["JSON", "Linux", "RPCClient", "RPCTestSupport"]),
        tests(
            "RPCCommandTests",
            ["Bytes", "JSON", "Linux", "LoadGenerator", "RPCClient", "RPCCommand", "RPCTestSupport", "RPCUsage"]
        ),
        tests("AuditTests", ["Audit", "Bytes", "Crypto", "JSON", "Linux", "Observability", "TestSupport"]),
        tests("PolicyTests", ["Contract", "JSON", "JSONRPC", "Linux", "Policy"]),
        tests("ResilienceTests", ["Linux", "Resilience"]),
        tests("LeasesTests", ["Bytes", "Leases", "Linux", "Store"]),
        tests("StoreTests", ["Bytes", "Contract", "JSON", "JSONRPC", "Store"]),
        tests(
            "CacheTests",
            ["Bytes", "Cache", "Crypto", "EventLoop", "JSON", "Linux", "Sealing", "Store", "TestSupport"]
        ),
        tests("ChannelsTests", ["Bytes", "Channels", "JSON", "JSONRPC", "TestSupport", "Valkey"]),
        tests("ResponsesTests", ["Bytes", "Crypto", "JSON", "Responses", "TestSupport"]),
        tests("TopicsTests", ["Bytes", "JSON", "JSONRPC", "Linux", "Store", "Topics"]),
        tests("ValkeyTests", ["Bytes", "EventLoop", "Linux", "Resilience", "TestSupport", "Valkey"]),
        tests("SealingTests", ["Bytes", "Crypto", "Sealing", "TestSupport"]),
        tests(
            "SessionsTests",
            ["Bytes", "Crypto", "JSON", "Linux", "Sealing", "Sessions", "TestSupport"],
            exclude: ["Vectors/open_envelope.py"]
        ),
        tests(
            "IntegrationTests",
            [
                "Bytes", "EventLoop", "JSON", "Leases", "Linux", "Observability", "RPCClient", "RPCTestSupport",
                "TestSupport", "Valkey", "ValkeyTestProgram",
            ]
        ),
        tests("FaultTests", ["JSON", "Linux", "RPCClient", "TestSupport", "squired"]),
        tests(
            "EndToEndTests",
            ["Bytes", "DevTools", "JSON", "Linux", "LinuxTestProgram", "TestSupport", "rpc", "squired"],
            exclude: ["Clients"]
        ),
    ]
)
