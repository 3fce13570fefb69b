"""Buffers on chip: what words of flip-flops, latches or SRAM cost."""
