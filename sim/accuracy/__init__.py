"""Effect of a normalizer of scores on the answers of a model: perplexity."""
