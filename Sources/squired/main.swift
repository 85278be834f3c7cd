import Agent
probe(CommandLine.arguments[1], CommandLine.arguments[2], CommandLine.arguments.count > 3 ? Int(CommandLine.arguments[3])! : 1)
