"""Account for the memory of training runs: the ledger, and the executions it is checked against."""
