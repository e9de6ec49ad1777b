"""Of the benchmarks only what can be wrong without anybody noticing: parsers and arithmetic."""
