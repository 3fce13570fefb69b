"""The training memory ledger: what a run holds on the GPU, tensor by tensor, moment by moment."""
