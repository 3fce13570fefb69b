"""Does a training run fit a GPU? The memory ledger, and what it is checked against."""
