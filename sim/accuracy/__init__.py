"""What a normalizer of scores does to the answers of a model: perplexity."""
