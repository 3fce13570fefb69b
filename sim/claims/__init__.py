"""Published claims as checks: claim files, the questions that answer them, and verdicts."""
