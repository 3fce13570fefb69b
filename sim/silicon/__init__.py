"""What does it cost, measured? Process kits, synthesis, timing, activity, power."""
