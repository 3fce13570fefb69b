"""Report section: buffers as flip-flops, latches or SRAM."""
