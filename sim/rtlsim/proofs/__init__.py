"""Proofs of what every stream unit promises, whatever its arithmetic."""
