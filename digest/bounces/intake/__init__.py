"""The ways in: messages and payloads from folders, servers, a pipe and providers, each kept until it is taken in."""
