"""Training steps run for real or on fake tensors, which the memory ledger is checked against."""
