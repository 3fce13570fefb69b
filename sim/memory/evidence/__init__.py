"""Hold what the ledger is checked against: figures that papers print, and measured peaks."""
